/** Text that is HTML already. Only `html` makes it, so whatever else is put into a page is escaped. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What `html` can put into markup; `undefined` puts in nothing. */
export type Content = Markup | string | number | undefined | readonly Content[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Template tag: the literal parts are HTML, the values are text. Attributes must be quoted. */
export function html(literals: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(literals.reduce((text, literal, i) => text + render(values[i - 1]) + literal));
}

function render(content: Content): string {
  if (content === undefined) return '';
  if (content instanceof Markup) return content.text;
  if (typeof content === 'number') return String(content);
  if (typeof content === 'string') return content.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
  return content.map(render).join('');
}
