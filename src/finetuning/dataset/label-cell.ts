/** Separators of labels where each part is a label elsewhere in the column too. A space only in a column of `tags`. */
const SEPARATORS = [',', ';', '+', '&', '/'];

/**
 * The labels in the cells of a column. A cell gives several when it has `|`; when it is a list in JSON or Python, as
 * `{"choices": ["cat", "dog"]}` of Label Studio; or when all its parts between other separators are labels of other
 * rows: `cat, dog` is one label unless there are rows of `cat` and rows of `dog`.
 * @param plural whether the header calls the column `labels`, `tags` or alike
 */
export function labelsInCells(cells: readonly string[], plural: boolean): (readonly string[])[] {
  const whole = new Set(cells.map((cell) => cell.trim()));
  const separators = plural ? [...SEPARATORS, ' '] : SEPARATORS;
  return cells.map((cell) => {
    const text = cell.trim();
    if (!/[|,;+&/ [{]/.test(text)) return text === '' ? [] : [text];
    if (text.includes('|')) return partsOf(text, '|');
    const list = listIn(text);
    if (list !== undefined) return list;
    for (const separator of separators) {
      const parts = text.includes(separator) ? partsOf(text, separator) : [];
      if (parts.length > 1 && parts.every((part) => whole.has(part))) return parts;
    }
    return text === '' ? [] : [text];
  });
}

function partsOf(text: string, separator: string): readonly string[] {
  const parts = text.split(separator).map((part) => part.trim());
  return [...new Set(parts.filter((part) => part !== ''))];
}

/** The texts of a list that a cell holds; undefined when it is something else. */
function listIn(text: string): readonly string[] | undefined {
  if (!/^(?:\[.*\]|\{.*\})$/s.test(text)) return undefined;
  // Python writes single quotes.
  for (const json of [text, text.replaceAll("'", '"')]) {
    try {
      const value: unknown = JSON.parse(json);
      const list = typeof value === 'object' && value !== null && 'choices' in value ? value.choices : value;
      const items = Array.isArray(list) ? list : [list];
      if (items.every((item) => typeof item === 'string' || typeof item === 'number')) return items.map(String);
    } catch {
      // It is text with brackets, or the other quotes fit.
    }
  }
  return undefined;
}
