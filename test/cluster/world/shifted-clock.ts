/** Loaded before a program by `--import`: shifts its clock by the milliseconds in `CLOCK_SHIFT_MS`. */
const shiftMs = Number(process.env['CLOCK_SHIFT_MS'] ?? 0);
const now = Date.now;
const shifted = () => now() + shiftMs;

globalThis.Date = new Proxy(Date, {
  get: (date, member, receiver) => (member === 'now' ? shifted : Reflect.get(date, member, receiver)),
  // Whatever is given is not the time, but a time.
  construct: (date, given, target) => Reflect.construct(date, given.length === 0 ? [shifted()] : given, target),
  apply: (date) => new date(shifted()).toString(),
});
Object.defineProperty(Date.prototype, 'constructor', { value: Date });

export {};
