import { h } from './dom.ts';

/** The camera while it is on. */
export interface Camera {
  /** Plays what it sees. */
  readonly video: HTMLVideoElement;
  /** What it sees now, as a JPEG. */
  picture(name: string): Promise<File>;
  stop(): void;
}

const QUALITY = 0.92;

/** Turns on the camera. @param width in pixels that would suit @throws Error that says what to do when there is none or it may not be used */
export async function openCamera(width = 1280): Promise<Camera> {
  const stream = await streamOf(width);
  const video = h('video', { playsinline: true, 'aria-label': 'What the camera sees' });
  video.muted = true;
  video.srcObject = stream;
  await video.play();
  const canvas = h('canvas');
  return {
    video,
    picture: (name) => {
      canvas.width = video.videoWidth;
      canvas.height = video.videoHeight;
      canvas.getContext('2d')?.drawImage(video, 0, 0);
      return jpegOf(canvas, name);
    },
    stop: () => {
      for (const track of stream.getTracks()) track.stop();
      video.srcObject = null;
    },
  };
}

/** A canvas as a JPEG file. */
export function jpegOf(canvas: HTMLCanvasElement, name: string): Promise<File> {
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => {
        if (blob === null)
          reject(new Error('The browser could not make a picture of what the camera sees. Try again.'));
        else resolve(new File([blob], name, { type: 'image/jpeg' }));
      },
      'image/jpeg',
      QUALITY,
    );
  });
}

async function streamOf(width: number): Promise<MediaStream> {
  // Browsers give pages no camera over plain HTTP, except on the machine itself.
  if (navigator.mediaDevices === undefined) {
    throw new Error(
      'Browsers give the camera only to pages over HTTPS or from this machine: open the page by localhost.',
    );
  }
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { facingMode: 'environment', width: { ideal: width }, height: { ideal: (width * 3) / 4 } },
    });
  } catch (thrown) {
    throw new Error(reasonOf(thrown), { cause: thrown });
  }
}

function reasonOf(thrown: unknown): string {
  switch (thrown instanceof DOMException ? thrown.name : '') {
    case 'NotAllowedError':
      return 'The camera was refused to this page: allow it beside the address, then try again.';
    case 'NotFoundError':
      return 'No camera was found: plug one in, or choose pictures instead.';
    case 'NotReadableError':
      return 'The camera is in use by another program: close that, then try again.';
    default:
      return `The camera cannot be used: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
  }
}
