import { AppError } from '../common/errors.ts';

/** Bytes that one request holds of a budget. */
export interface Reservation {
  /** Takes more bytes. @throws AppError `queue_full` */
  add(bytes: number): void;
  /** Gives all bytes back. */
  release(): void;
}

/** Memory for the bodies of requests that are arriving or being answered, over all requests. */
export class ByteBudget {
  readonly #limit: number;
  #reserved = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes of all bodies. */
  get reserved(): number {
    return this.#reserved;
  }

  /**
   * Reserves memory for a body. Where nothing else is reserved, a body of any size is admitted.
   * @throws AppError `queue_full`
   */
  reserve(bytes: number): Reservation {
    let own = 0;
    const add = (more: number): void => {
      const others = this.#reserved - own;
      if (others > 0 && others + own + more > this.#limit) throw this.#exhausted();
      own += more;
      this.#reserved += more;
    };
    add(bytes);
    return {
      add,
      release: () => {
        this.#reserved -= own;
        own = 0;
      },
    };
  }

  #exhausted(): AppError {
    return new AppError(
      'queue_full',
      `Requests of ${this.#reserved} bytes are being received or answered, and the limit is ` +
        `${this.#limit}; try again shortly.`,
      { retryAfter: 1, context: { max_bytes_in_flight: this.#limit } },
    );
  }
}
