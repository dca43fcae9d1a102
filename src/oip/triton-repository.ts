/**
 * How models are called in a model repository of Triton: by the export that writes it, and by the server that uses it. A
 * version of ours has the same number there.
 */

/**
 * The parameter of a configuration that has the SHA-256 of the weights of a version. All versions of a model have one
 * configuration there, that of the export which was unpacked last: of the others it says nothing.
 */
export function weightsParameter(version: number): string {
  return `weights_sha256_${version}`;
}

/** The name of a model; its variants are models of their own there. @param variant absent for floats */
export function tritonName(name: string, variant: string | undefined): string {
  return variant === undefined ? name : `${name}-${variant}`;
}
