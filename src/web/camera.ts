import { h } from './dom.ts';

/** An open camera. */
export interface Camera {
  /** Plays its picture. */
  readonly video: HTMLVideoElement;
  /** The current picture as a JPEG file. */
  picture(name: string): Promise<File>;
  stop(): void;
}

const QUALITY = 0.92;

/** The stream that is open. All users share it: where a second one is opened, some browsers end the first. */
let open: { readonly stream: Promise<MediaStream>; users: number } | undefined;

/**
 * Opens the camera.
 * @param width the preferred width in pixels; ignored while the camera is open
 * @throws Error that says what to do when there is no camera or the page may not use it
 */
export async function openCamera(width = 1280): Promise<Camera> {
  const shared = open ?? { stream: streamOf(width), users: 0 };
  open = shared;
  shared.users += 1;
  const video = h('video', { playsinline: true, 'aria-label': 'Camera preview' });
  video.muted = true;
  let used = true;
  const stop = (): void => {
    video.srcObject = null;
    if (!used) return;
    used = false;
    shared.users -= 1;
    if (shared.users > 0) return;
    if (open === shared) open = undefined;
    shared.stream.then(
      (stream) => {
        for (const track of stream.getTracks()) track.stop();
      },
      () => undefined,
    );
  };
  try {
    video.srcObject = await shared.stream;
    await video.play();
  } catch (thrown) {
    stop();
    throw thrown;
  }
  const canvas = h('canvas');
  return {
    video,
    picture: (name) => {
      canvas.width = video.videoWidth;
      canvas.height = video.videoHeight;
      canvas.getContext('2d')?.drawImage(video, 0, 0);
      return jpegOf(canvas, name);
    },
    stop,
  };
}

/** Encodes a canvas as a JPEG file. */
export function jpegOf(canvas: HTMLCanvasElement, name: string): Promise<File> {
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => {
        if (blob === null) reject(new Error('The browser could not take a photo. Try again.'));
        else resolve(new File([blob], name, { type: 'image/jpeg' }));
      },
      'image/jpeg',
      QUALITY,
    );
  });
}

async function streamOf(width: number): Promise<MediaStream> {
  // Browsers have no `mediaDevices` over plain HTTP, except on localhost.
  if (navigator.mediaDevices === undefined) {
    throw new Error('Browsers allow the camera only over HTTPS or on localhost. Open the page at one of them.');
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
      return 'The browser blocked the camera. Allow it in the address bar, then try again.';
    case 'NotFoundError':
      return 'No camera was found. Connect one, or choose images instead.';
    case 'NotReadableError':
      return 'Another program is using the camera. Close it, then try again.';
    default:
      return `The camera cannot be used: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
  }
}
