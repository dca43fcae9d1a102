/** What `POST /classify` answers, as far as these tests look at it. */
export interface ClassifyAnswer {
  readonly model: string;
  readonly version: number;
  readonly runtime: string;
  readonly results: readonly {
    readonly filename: string;
    readonly predictions?: readonly { readonly index: number; readonly label: string; readonly score: number }[];
    readonly unknown?: boolean;
    /** Only of models with a detector. */
    readonly novelty?: number;
    readonly error?: { readonly code: string };
  }[];
}

/** What `POST /explain` answers, as far as these tests look at it. */
export interface ExplainAnswer {
  readonly class: { readonly index: number; readonly label: string };
  readonly heatmap: { readonly values: readonly (readonly number[])[] };
}
