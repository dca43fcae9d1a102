import type * as GrpcJs from '@grpc/grpc-js';

/** The library of gRPC. */
export type Grpc = typeof GrpcJs;

/**
 * Loads the library of gRPC, which is installed by those who want it.
 * @param setting what asks for it, for the error
 * @throws Error that says what to install
 */
export async function loadGrpc(setting: string): Promise<Grpc> {
  try {
    return await import('@grpc/grpc-js');
  } catch (thrown) {
    throw new Error(
      `${setting} needs gRPC, for which a package must be installed: type "npm install @grpc/grpc-js@1"`,
      {
        cause: thrown,
      },
    );
  }
}
