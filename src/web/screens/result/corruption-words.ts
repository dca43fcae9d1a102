/** A corruption as words, for example `Gaussian noise`. */
export function corruptionWords(corruption: string): string {
  const words = corruption.replaceAll('_', ' ').replace('jpeg', 'JPEG');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
