/** The element type of an array of numpy, by its name: `U5` is a text of five characters, `O` an object of Python. */
export class NumpyType {
  readonly name: string;

  constructor(name: unknown) {
    this.name = typeof name === 'string' ? name : '';
  }
}

/** An array of numpy, which is created before its state is set. Only texts are read, such as names of classes. */
export class NumpyArray {
  #items: readonly string[] = [];

  /** The texts, in their order; none for an array of other values. */
  get items(): readonly string[] {
    return this.#items;
  }

  /** @param state the version, the shape, the type, whether it is column by column, and the values */
  set state([, , type, , values]: readonly unknown[]) {
    if (!(type instanceof NumpyType)) return;
    const [, width] = /^[<=|]?U(\d+)$/.exec(type.name) ?? [];
    if (width !== undefined && values instanceof Uint8Array) this.#items = textsOf(values, Number(width));
    else if (Array.isArray(values)) this.#items = values.filter((value) => typeof value === 'string');
  }
}

/** A text of numpy has four bytes for each character, and zeros after the last one. */
function textsOf(bytes: Uint8Array, width: number): string[] {
  if (width === 0) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.byteLength / (4 * width)) }, (_, item) => {
    const codes = Array.from({ length: width }, (_unused, at) => view.getUint32(4 * (item * width + at), true));
    return String.fromCodePoint(...codes.filter((code) => code > 0 && code <= 0x10ffff));
  });
}
