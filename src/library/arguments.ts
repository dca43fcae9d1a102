import { AppError } from '../common/errors.ts';
import { TTA_MODES } from '../image/views.ts';
import type { Runtime, Tta } from './answers.ts';

/** @throws AppError as `expect` */
export function runtimeOf(runtime: Runtime = 'onnx'): Runtime {
  expect(runtime === 'onnx' || runtime === 'tfjs', 'runtime', 'onnx or tfjs', runtime);
  return runtime;
}

/** @throws AppError as `expect` */
export function ttaOf(tta: Tta | undefined): Tta | undefined {
  expect(tta === undefined || TTA_MODES.includes(tta), 'tta', 'flip or five_crop', tta);
  return tta;
}

/** @throws AppError `invalid_request` that says what would be right */
export function expect(isRight: boolean, name: string, right: string, given: unknown): void {
  if (!isRight) throw new AppError('invalid_request', `${name} must be ${right}, not ${JSON.stringify(given)}`);
}
