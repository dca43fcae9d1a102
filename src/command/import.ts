import type { ManifestDocument } from '../registry/manifest.ts';
import { defineCommand } from './command.ts';
import { architectureOf, IMPORT_OPTIONS, ONNX_FIELDS, preprocessingOf } from './import-options.ts';
import { required } from './options.ts';
import { UsageError } from './usage-error.ts';

/** Imports a model that was made elsewhere. */
export const importModel = defineCommand({
  usage: '<file or folder> --name <name>',
  details: 'Options that are not given are recognised from the tensors or guessed, and shown before the import.',
  options: IMPORT_OPTIONS,
  run: async ({ values, positionals: [path, ...others] }, { terminal, config: readConfig, signal }) => {
    if (path === undefined || others.length > 0) throw new UsageError('give one file or folder');
    const name = required('--name', values.name);
    const architecture = await architectureOf(values);
    const preprocessing = preprocessingOf(values);
    const [{ prepareImport }, { readInstalledModels }, { readNamedLabels }] = await Promise.all([
      import('../acquire/import/model-import.ts'),
      import('./installed-models.ts'),
      import('../registry/zoo.ts'),
    ]);
    const config = await readConfig();
    const { pulledDir, listing } = await readInstalledModels(config);
    const { inside, title, license, labels, weights } = values;
    const given = { ...architecture, ...preprocessing, ...(weights !== undefined && { weights }) };
    const prepared = await prepareImport(
      { path, name, inside, title, license, labels, given },
      { pulledDir, listing, namedLabels: await readNamedLabels(config.zooDir) },
    );
    try {
      terminal.line([described(prepared.manifest, prepared.guessed), ...prepared.notes].join('\n'));
      for (const warning of prepared.warnings) terminal.note(`warning: ${warning}`);
      const imported = values.yes || (await terminal.confirm('Import this model?', signal));
      if (imported) await prepared.commit();
      terminal.line(
        imported
          ? `${name}: imported${prepared.warnings.length === 0 ? '' : ', in spite of the warning'}. Try it: npx menagerie classify photo.jpg --model ${name}`
          : 'Nothing was imported.',
      );
      const { manifest, guessed, notes, warnings } = prepared;
      terminal.document({ imported, manifest, guessed: [...guessed], notes, warnings });
    } finally {
      await prepared.discard();
    }
    return undefined;
  },
});

function described(manifest: ManifestDocument, guessed: ReadonlySet<string>): string {
  const { architecture, labels } = manifest;
  const rows: [string, string][] = [
    ['architecture', typeof architecture === 'string' ? architecture : `${architecture.family}, custom`],
    ['parameters', manifest.parameters.toLocaleString('en')],
    ['num_classes', `${manifest.num_classes}`],
    ['num_features', `${manifest.num_features}`],
    [
      'labels',
      typeof labels === 'string'
        ? labels
        : labels
            .slice(0, 3)
            .map(({ label }) => label)
            .join(', ')
            .concat(labels.length > 3 ? ' ...' : ''),
    ],
    ...onnxRows(architecture),
    ['input_size', manifest.input_size.slice(1).join(' x ')],
    ['resize_mode', manifest.resize_mode],
    ...(manifest.pad_color === undefined ? [] : [['pad_color', manifest.pad_color.join(', ')] as [string, string]]),
    ['crop_pct', `${manifest.crop_pct}`],
    ['interpolation', manifest.interpolation],
    ['mean', manifest.mean.join(', ')],
    ['std', manifest.std.join(', ')],
    ['license', manifest.license],
  ];
  const lines = rows.map(
    ([field, value]) => `  ${field.padEnd(14)}${value}${guessed.has(field) ? '   (guessed)' : ''}`,
  );
  return [`${manifest.name}:`, ...lines].join('\n');
}

/** Rows about the values of an ONNX model. */
function onnxRows(architecture: ManifestDocument['architecture']): [string, string][] {
  if (typeof architecture === 'string' || architecture.family !== 'onnx') return [];
  const fields = [...ONNX_FIELDS.map((option) => option.replace('-', '_')), 'max_batch'];
  return fields.flatMap((field) => (architecture[field] === undefined ? [] : [[field, `${architecture[field]}`]]));
}
