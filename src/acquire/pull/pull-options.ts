/** How far a pull is. */
export interface PullProgress {
  /** `wait` for another pull of the same model; then what is done with the file. */
  readonly phase: 'wait' | 'download' | 'verify' | 'unpack' | 'convert';
  /** Bytes. */
  readonly done?: number;
  /** Bytes, where they are known. */
  readonly total?: number | undefined;
}

/** What a pull is told beside the name of the model. */
export interface PullOptions {
  /** A folder or a base URL to take the file from, in place of the host that the manifest names. */
  readonly mirror?: string | undefined;
  /** Only the part that a fine-tune needs. */
  readonly backboneOnly?: boolean | undefined;
  readonly onProgress: (progress: PullProgress) => void;
  readonly signal: AbortSignal;
}
