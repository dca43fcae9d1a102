/** What `POST /classify` answers, as far as these tests look at it. */
export interface ClassifyAnswer {
  readonly model: string;
  readonly version: number;
  readonly runtime: string;
  readonly results: readonly {
    readonly filename: string;
    readonly predictions?: readonly { readonly index: number; readonly label: string; readonly score: number }[];
    readonly error?: { readonly code: string };
  }[];
}
