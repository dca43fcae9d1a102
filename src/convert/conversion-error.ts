/**
 * A weight file, an architecture or a model that cannot be converted. The message names the tensor, the layer or the
 * field, what it was and what it should be.
 */
export class ConversionError extends Error {
  override readonly name = 'ConversionError';
}
