/** How far a pull is. */
export interface PullProgress {
  /** `wait`: another pull of the same model is running. The others say what is done with the file. */
  readonly phase: 'wait' | 'download' | 'verify' | 'unpack' | 'convert';
  /** Bytes done. */
  readonly done?: number;
  /** Bytes in all, once they are known. */
  readonly total?: number | undefined;
}

/** Options of a pull. */
export interface PullOptions {
  /** A folder or a base URL to take the file from, instead of the host that the manifest names. */
  readonly mirror?: string | undefined;
  /** Pull only the part of the model that fine-tuning needs. */
  readonly backboneOnly?: boolean | undefined;
  readonly onProgress: (progress: PullProgress) => void;
  readonly signal: AbortSignal;
}
