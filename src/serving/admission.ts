import { AppError } from '../common/errors.ts';

/** How many images may be under way at once, over all requests. */
export class Admission {
  readonly #limit: number;
  #inFlight = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Images that are being decoded, wait or are being computed. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Takes images in, whoever computes them, as long as there is room. On an idle server a request of any size is let in.
   * @returns lets them go; to be called once
   * @throws AppError `queue_full`
   */
  admit(images: number): () => void {
    if (this.#inFlight + images > this.#limit && this.#inFlight > 0) {
      const detail = `${this.#inFlight} images are under way and ${this.#limit} may be: try again shortly`;
      throw new AppError('queue_full', detail, { retryAfter: 1, context: { limit: this.#limit } });
    }
    this.#inFlight += images;
    return () => {
      this.#inFlight -= images;
    };
  }
}
