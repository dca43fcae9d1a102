const WHOLE = new Intl.NumberFormat('en');

/** `12,500` */
export function count(value: number): string {
  return WHOLE.format(value);
}

/** `1 image`, `2 images` */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A share of 0..1 as a percentage: `97.3%`, and `0%` or `100%` when exact. */
export function percent(share: number, decimals = 1): string {
  const value = share * 100;
  // 99.97% is not 100%.
  const shown = value < 100 && value > 100 - 0.5 * 10 ** -decimals ? 100 - 10 ** -decimals : value;
  return `${shown === 0 || shown === 100 ? shown : shown.toFixed(decimals)}%`;
}

/** `4.2 ms`, `180 ms`, `2.1 s` */
export function milliseconds(value: number): string {
  if (value >= 1_000) return `${(value / 1_000).toFixed(1)} s`;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

/** `40 s`, `3 min`, `1.5 h` */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}

/** `5.7 MB`, in powers of ten */
export function bytes(value: number): string {
  if (value < 1_000) return `${value} B`;
  const [size, unit] = value < 1e6 ? [value / 1e3, 'kB'] : value < 1e9 ? [value / 1e6, 'MB'] : [value / 1e9, 'GB'];
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${unit}`;
}

/** `2.8 M`, for counts */
export function large(value: number): string {
  if (value < 1e4) return count(value);
  return value < 1e6 ? `${Math.round(value / 1e3)} k` : `${(value / 1e6).toFixed(1)} M`;
}

/** The median; 0 when there are no values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}
