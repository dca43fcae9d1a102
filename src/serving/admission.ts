import { AppError } from '../common/errors.ts';

/** Bounds how many images are in flight at once, over all requests. */
export class Admission {
  readonly #limit: number;
  #inFlight = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Images that wait for decoding, are decoded, wait for an engine or are computed. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Admits the images of a request as long as there is room. An idle server admits a request of any size.
   * @returns gives the room back; to be called once, when nothing of the request runs any more
   * @throws AppError `queue_full`
   */
  admit(images: number): () => void {
    if (this.#inFlight + images > this.#limit && this.#inFlight > 0) {
      const detail = `${this.#inFlight} images are in flight and at most ${this.#limit} may be; try again shortly`;
      throw new AppError('queue_full', detail, { retryAfter: 1, context: { limit: this.#limit } });
    }
    this.#inFlight += images;
    return () => {
      this.#inFlight -= images;
    };
  }
}
