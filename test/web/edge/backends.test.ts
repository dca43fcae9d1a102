import { expect, test } from 'vitest';
import { isSoftware } from '../../../src/web/edge/backends.ts';

test.each([
  ['ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero) (0x0000C0DE)), SwiftShader driver)', true],
  ['llvmpipe (LLVM 15.0.6, 256 bits)', true],
  ['Microsoft Basic Render Driver', true],
  ['ANGLE (NVIDIA, NVIDIA GeForce RTX 3060 Direct3D11 vs_5_0 ps_5_0, D3D11)', false],
  ['Apple GPU', false],
])('%s draws with the processor: %s', (renderer, software) => {
  expect(isSoftware(renderer)).toBe(software);
});
