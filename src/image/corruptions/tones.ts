/** Raises the value of HSV; hue and saturation stay. @param more what is added, 0..1 */
export function brighten(pixels: Uint8Array, more: number): Uint8Array {
  const output = new Uint8Array(pixels.length);
  for (let index = 0; index < pixels.length; index += 3) {
    const [red = 0, green = 0, blue = 0] = pixels.subarray(index, index + 3);
    const value = Math.max(red, green, blue);
    const raised = Math.min(255, value + 255 * more);
    // Black has no hue: it becomes grey.
    output[index] = value === 0 ? raised : (red * raised) / value;
    output[index + 1] = value === 0 ? raised : (green * raised) / value;
    output[index + 2] = value === 0 ? raised : (blue * raised) / value;
  }
  return output;
}

/** Scales the distance from the mean of each channel. */
export function reduceContrast(pixels: Uint8Array, factor: number): Uint8Array {
  const means = [0, 1, 2].map((channel) => {
    let sum = 0;
    for (let index = channel; index < pixels.length; index += 3) sum += pixels[index] ?? 0;
    return sum / (pixels.length / 3);
  });
  return pixels.map((value, index) => {
    const mean = means[index % 3] ?? 0;
    return Math.min(255, Math.max(0, (value - mean) * factor + mean));
  });
}
