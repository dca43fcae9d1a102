/** First byte of each marker. */
export const MARKER = 0xff;
export const START_OF_SCAN = 0xda;
export const END_OF_IMAGE = 0xd9;

/** A marker of a JPEG with its segment, without the length. */
export interface Segment {
  readonly marker: number;
  readonly segment: Buffer;
  /** Where the segment ends in the file. */
  readonly end: number;
}

/** Whether a marker starts a frame, of any kind of coding. */
export function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}

/**
 * The segments of a JPEG, of which the end marker has none and is the last. Coded data, which follows a scan's segment,
 * is passed over. Source: ITU-T T.81, annex B.
 */
export function* segments(bytes: Buffer): Generator<Segment> {
  for (let at = bytes.indexOf(MARKER, 2); at >= 0 && at + 1 < bytes.length; at = bytes.indexOf(MARKER, at)) {
    const marker = bytes[at + 1] ?? 0;
    if (marker === MARKER) at += 1;
    // A byte of coded data, or a restart between coded data: neither has a segment.
    else if (marker <= 1 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else if (marker === END_OF_IMAGE) {
      yield { marker, segment: bytes.subarray(0, 0), end: at + 2 };
      return;
    } else {
      if (at + 3 >= bytes.length) return;
      const end = at + 2 + bytes.readUInt16BE(at + 2);
      yield { marker, segment: bytes.subarray(at + 4, end), end };
      at = end;
    }
  }
}
