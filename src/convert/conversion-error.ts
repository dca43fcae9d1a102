/**
 * A weights file, an architecture or a model that cannot be converted. The message names the tensor, the layer or the
 * field, and says what it is and what it should be.
 */
export class ConversionError extends Error {
  override readonly name = 'ConversionError';
}
