/** A form as nearly all clients send it: files in one part name, each with a plain file name, and short text fields. */
export interface PlainForm {
  /** No field is repeated. */
  readonly fields: Readonly<Record<string, string>>;
  /** The files, as views of the body. */
  readonly files: readonly { readonly filename: string; readonly bytes: Buffer }[];
}

/** The limits of a form that counts as plain. */
export interface PlainFormLimits {
  /** Name of the part that holds files. */
  readonly fileField: string;
  readonly maxFiles: number;
  readonly maxFileBytes: number;
  readonly maxFields: number;
  readonly maxFieldBytes: number;
}

/** The whole `Content-Type`; characters of a boundary as in RFC 2046, without the space. */
const FORM_TYPE = /^multipart\/form-data; ?boundary=(?:"([\w'()+,./:=?-]{1,70})"|([\w'()+./:=?-]{1,70}))$/i;
/** The headers of a part: `name`, perhaps `filename`, and perhaps a type. Names need no decoding. */
const PART_HEAD =
  /^Content-Disposition: form-data; name="([a-z][a-z_]*)"(?:; filename="([ !#$&-.0-[\]-~]+)"(?:\r\nContent-Type: [!-~]+)?)?$/i;
/** Bytes of the headers of a part. */
const MAX_HEAD_BYTES = 512;
const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * Parses a form that has arrived, by searching its bytes for the boundary: a parser of streams takes eight times as
 * long and copies the files.
 *
 * @returns undefined for a form that is not plain or exceeds a limit: the parser of all forms is to read it then, and
 * to say what is wrong
 */
export function parsePlainForm(contentType: string, body: Buffer, limits: PlainFormLimits): PlainForm | undefined {
  const [, quoted, plain] = FORM_TYPE.exec(contentType) ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined) return undefined;
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  const fields: Record<string, string> = {};
  const files: { filename: string; bytes: Buffer }[] = [];
  // The first delimiter has no line before it.
  let at = delimiter.length - 2;
  if (!delimiter.subarray(2).equals(body.subarray(0, at))) return undefined;
  for (;;) {
    const after = body.toString('latin1', at, at + 4);
    if (after === '--\r\n' || after === '--') return at + after.length === body.length ? { fields, files } : undefined;
    if (!after.startsWith('\r\n')) return undefined;
    const headEnd = body.subarray(at, at + MAX_HEAD_BYTES).indexOf(HEAD_END);
    if (headEnd < 0) return undefined;
    const [, name = '', filename] = PART_HEAD.exec(body.toString('latin1', at + 2, at + headEnd)) ?? [];
    const start = at + headEnd + HEAD_END.length;
    const end = body.indexOf(delimiter, start);
    if (name === '' || end < 0) return undefined;
    const bytes = body.subarray(start, end);
    if (filename === undefined) {
      if (name === limits.fileField || Object.hasOwn(fields, name) || bytes.length > limits.maxFieldBytes)
        return undefined;
      fields[name] = bytes.toString();
      if (Object.keys(fields).length > limits.maxFields) return undefined;
    } else {
      if (name !== limits.fileField || bytes.length > limits.maxFileBytes) return undefined;
      files.push({ filename, bytes });
      if (files.length > limits.maxFiles) return undefined;
    }
    at = end + delimiter.length;
  }
}
