/**
 * What may become of acknowledged jobs with the settings of a Redis, and which setting cures it. What Redis does not say,
 * as some managed ones do not, counts as right.
 * @param info the answer to `INFO`: lines of `name:value`, of which the sections persistence and memory are read
 */
export function durabilityWarnings(info: string): string[] {
  const value = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
  const warnings: string[] = [];
  if (value('aof_enabled') === '0') {
    warnings.push(
      'Redis keeps no append-only file: when it ends, jobs that were made, and ends of jobs, since its last snapshot are ' +
        'lost. Set appendonly yes and appendfsync always in Redis.',
    );
  }
  const policy = value('maxmemory_policy') ?? 'noeviction';
  // Without a limit nothing is removed.
  if (policy !== 'noeviction' && value('maxmemory') !== '0') {
    const loss = policy.startsWith('volatile') ? 'a running job may be begun once more' : 'jobs may be lost';
    warnings.push(
      `Redis removes keys when its memory is full (maxmemory-policy ${policy}): ${loss}. Set maxmemory-policy noeviction ` +
        'in Redis.',
    );
  }
  return warnings;
}
