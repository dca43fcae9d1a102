/**
 * Public data sets in miniature: how they lie in their archives, without their images. `dataset-cases.ts` draws images
 * and writes a zip for each.
 */

/** A table or another file beside the images. */
export interface OtherFile {
  readonly name: string;
  readonly content: string | Buffer;
}

/** A data set in miniature and what is right for it. */
export interface DatasetShape {
  readonly images: readonly string[];
  /** The image that one is a copy of, by name; without it all images differ. */
  readonly originalOf?: (name: string) => string;
  readonly others?: readonly OtherFile[];
  /** Names of empty folders. */
  readonly folders?: readonly string[];
  /** Each class with its split, where the set gives splits; or what the error must say. */
  readonly right: readonly string[] | RegExp;
  /** Codes of the warnings. */
  readonly warnings?: readonly string[];
}

/** Images of each class in each split. */
export const IMAGES = 6;

/** Names that differ in a number, which takes the place of `#`. */
function numbered(...patterns: readonly string[]): string[] {
  return patterns.flatMap((pattern) =>
    Array.from({ length: IMAGES }, (_, index) => pattern.replaceAll('#', `${index}`)),
  );
}

/** A line for each image of a cat and then of a dog; in `pattern` `#` is its number and `@` its class. */
function lines(pattern: string, header?: string): string {
  const rows = ['cat', 'dog'].flatMap((label) => numbered(pattern).map((line) => line.replaceAll('@', label)));
  return [...(header === undefined ? [] : [header]), ...rows].join('\n');
}

const SPLITS = ['cat test', 'cat train', 'dog test', 'dog train'];
const ALL_SPLITS = ['cat test', 'cat train', 'cat validation', 'dog test', 'dog train', 'dog validation'];
const PETS = ['cat', 'dog'];
const flat = (folder: string) => numbered(`${folder}cat#.jpg`, `${folder}dog#.jpg`);
const classes = (folder: string, ...names: readonly string[]) =>
  numbered(...(names.length > 0 ? names : PETS).map((name) => `${folder}${name}/#.jpg`));

export const SHAPES: Readonly<Record<string, DatasetShape>> = {
  // Kaggle
  kaggle_sets: {
    images: ['training_set', 'test_set'].flatMap((split) => classes(`${split}/${split}/`)),
    right: SPLITS,
  },
  intel: {
    images: [
      ...classes('seg_train/seg_train/'),
      ...classes('seg_test/seg_test/'),
      ...numbered('seg_pred/seg_pred/#.jpg'),
    ],
    right: SPLITS,
    warnings: ['split_without_labels'],
  },
  chest_xray: {
    images: ['chest_xray/', 'chest_xray/chest_xray/'].flatMap((folder) =>
      ['train', 'val', 'test'].flatMap((split) => classes(`${folder}${split}/`)),
    ),
    others: [{ name: 'chest_xray/__MACOSX/chest_xray/._train', content: 'x' }],
    originalOf: (name) => name.replace('chest_xray/chest_xray', 'chest_xray'),
    right: ALL_SPLITS,
    warnings: ['nested_copy'],
  },
  plant_village: {
    images: [...classes('PlantVillage/'), ...classes('plantvillage/PlantVillage/')],
    originalOf: (name) => name.replace('plantvillage/', ''),
    right: PETS,
    warnings: ['nested_copy'],
  },
  flowers: {
    images: [...classes('flowers/'), ...classes('flowers/flowers/')],
    originalOf: (name) => name.replace('flowers/flowers', 'flowers'),
    right: PETS,
    warnings: ['nested_copy'],
  },
  rice: {
    images: numbered('Rice_Image_Dataset/cat/cat (#).jpg', 'Rice_Image_Dataset/dog/dog (#).jpg'),
    others: [{ name: 'Rice_Image_Dataset/Rice_Citation_Request.txt', content: 'Please cite us.' }],
    right: PETS,
  },
  dogs_vs_cats: {
    images: [...numbered('train/cat.#.jpg', 'train/dog.#.jpg'), ...numbered('test1/#.jpg')],
    right: PETS,
    warnings: ['labels_from_file_names'],
  },
  pet_images: {
    images: classes('PetImages/'),
    others: [{ name: 'PetImages/cat/Thumbs.db', content: 'x' }],
    right: PETS,
  },
  ids_without_extension: {
    images: [...flat('train/'), ...numbered('test/#.jpg')],
    others: [
      { name: 'train.csv', content: lines('@#,@', 'id,breed') },
      { name: 'sample_submission.csv', content: 'id,breed\n0,cat' },
    ],
    right: PETS,
  },
  cifar_png: {
    images: [...flat('train/'), ...flat('test/')],
    others: [{ name: 'trainLabels.csv', content: lines('@#,@', 'id,label') }],
    right: PETS,
  },
  traffic_signs: {
    images: [...numbered('Train/0/0_#.png', 'Train/1/1_#.png'), ...numbered('Test/#.png')],
    others: [
      {
        name: 'Train.csv',
        content: [
          'Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path',
          ...[0, 1].flatMap((id) => numbered(`9,9,1,1,8,8,${id},Train/${id}/${id}_#.png`)),
        ].join('\n'),
      },
      { name: 'Test.csv', content: ['Width,Height,ClassId,Path', ...numbered('9,9,1,Test/#.png')].join('\n') },
    ],
    right: ['0 train', '1 test', '1 train'],
    warnings: ['boxes_not_used'],
  },
  nih_chest: {
    images: flat('images_001/images/'),
    others: [
      {
        name: 'Data_Entry_2017.csv',
        content: `${lines('@#.jpg,@,50', 'Image Index,Finding Labels,Patient Age')}`.replace(
          'cat0.jpg,cat',
          'cat0.jpg,cat|dog',
        ),
      },
    ],
    right: PETS,
    warnings: ['several_labels'],
  },
  plant_pathology: {
    images: flat('train_images/'),
    others: [
      { name: 'train.csv', content: lines('@#.jpg,@', 'image,labels').replace('cat0.jpg,cat', 'cat0.jpg,cat dog') },
    ],
    right: PETS,
    warnings: ['several_labels'],
  },
  mnist_csv: {
    images: [],
    others: [{ name: 'train.csv', content: `label,${numbered('p#').join().repeat(20)}` }],
    right: /pixels in its cells/,
  },
  // Roboflow
  roboflow: {
    images: ['train/', 'valid/', 'test/'].flatMap(flat),
    others: ['train', 'valid', 'test'].map((split) => ({
      name: `${split}/_classes.csv`,
      content: lines('@#.jpg, @', 'filename, cat, dog')
        .replaceAll(/, cat$/gm, ', 1, 0')
        .replaceAll(/jpg, dog$/gm, 'jpg, 0, 1')
        .replace('filename, 1, 0', 'filename, cat, dog'),
    })),
    right: ALL_SPLITS,
  },
  roboflow_multilabel: {
    images: flat('train/'),
    others: [
      {
        name: 'train/_classes.csv',
        content: ['filename, cat, dog', ...numbered('cat#.jpg, 1, 1', 'dog#.jpg, 1, 1')].join('\n'),
      },
    ],
    right: /each of the 12 images has several labels/,
  },
  roboflow_detection: {
    images: flat('train/'),
    others: [
      {
        name: 'train/_annotations.csv',
        content: [
          lines('@#.jpg,9,9,cat,1,1,3,3', 'filename,width,height,class,xmin,ymin,xmax,ymax'),
          lines('@#.jpg,9,9,dog,1,1,3,3'),
        ].join('\n'),
      },
    ],
    right: /object detection/,
  },
  coco: {
    images: flat('train2017/'),
    others: [
      {
        name: 'annotations/instances_train2017.json',
        content: '{"images": [], "annotations": [{"bbox": [1, 1, 2, 2]}], "categories": []}',
      },
    ],
    right: /COCO.*object detection/,
  },
  pascal_voc: {
    images: flat('VOC2012/JPEGImages/'),
    others: flat('VOC2012/Annotations/').map((name) => ({
      name: name.replace('.jpg', '.xml'),
      content: '<annotation/>',
    })),
    right: /Pascal VOC.*object detection/,
  },
  yolo: {
    images: ['train', 'val'].flatMap((split) => flat(`${split}/images/`)),
    others: ['train', 'val'].flatMap((split) =>
      flat(`${split}/labels/`).map((name) => ({ name: name.replace('.jpg', '.txt'), content: '0 .5 .5 .1 .1' })),
    ),
    right: /YOLO.*object detection/,
  },
  cvat_boxes: {
    images: flat('images/'),
    others: [
      {
        name: 'annotations.xml',
        content: '<annotations><image name="cat0.jpg"><box label="cat"/></image></annotations>',
      },
    ],
    right: /CVAT.*object detection/,
  },
  // Exports of labelling tools
  label_first: {
    images: flat('images/x'),
    others: [{ name: 'labels.csv', content: lines('@,images/x@#.jpg', 'label,image_id') }],
    right: PETS,
  },
  label_studio_json: {
    images: flat('images/'),
    others: [
      {
        name: 'project-1.json',
        content: JSON.stringify(
          PETS.flatMap((label) =>
            numbered(`${label}#.jpg`).map((name, id) => ({
              id,
              annotations: [
                {
                  id,
                  completed_by: 1,
                  result: [{ value: { choices: [label] }, from_name: 'choice', type: 'choices' }],
                },
              ],
              data: { image: `/data/upload/1/0123abcd-${name}` },
            })),
          ),
        ),
      },
    ],
    right: PETS,
  },
  label_studio_choices: {
    images: flat('images/'),
    others: [
      {
        name: 'project-1.csv',
        content: lines('/data/upload/1/0123abcd-@#.jpg,1,"{""choices"":[""@""]}"', 'image,id,choice'),
      },
    ],
    right: PETS,
  },
  automl_multilabel: {
    images: flat('all/'),
    others: [
      {
        name: 'import.csv',
        content: lines('TRAIN,gs://bucket/all/@#.jpg,@').replace('cat0.jpg,cat', 'cat0.jpg,cat,dog'),
      },
    ],
    right: PETS,
    warnings: ['several_labels'],
  },
  labelbox: {
    images: flat('images/'),
    others: [
      {
        name: 'export.ndjson',
        content: PETS.flatMap((label) =>
          numbered(`${label}#.jpg`).map((name) =>
            JSON.stringify({
              data_row: { id: `ck${name}`, external_id: name, row_data: `https://storage/${name}` },
              projects: {
                p: {
                  labels: [
                    {
                      annotations: {
                        classifications: [{ name: 'animal', radio_answer: { name: label, value: label } }],
                      },
                    },
                  ],
                },
              },
            }),
          ),
        ).join('\n'),
      },
    ],
    right: PETS,
  },
  edge_impulse: {
    images: ['training', 'testing'].flatMap((split) =>
      numbered(`${split}/cat.#.jpg.2ab3.jpg`, `${split}/dog.#.jpg.2ab3.jpg`),
    ),
    others: [
      {
        name: 'info.labels',
        content: JSON.stringify({
          version: 1,
          files: ['training', 'testing'].flatMap((split) =>
            PETS.flatMap((label) =>
              numbered(`${split}/${label}.#.jpg.2ab3.jpg`).map((path) => ({
                path,
                category: split,
                label: { type: 'label', label },
              })),
            ),
          ),
        }),
      },
    ],
    right: SPLITS,
  },
  teachable_machine_project: {
    images: numbered('Class 1-!-#.webp', 'Class 2-!-#.webp'),
    others: [{ name: 'manifest.json', content: '{"type": "image", "version": "2.4.5"}' }],
    right: ['Class 1', 'Class 2'],
    warnings: ['labels_from_file_names'],
  },
  hugging_face: {
    images: ['train/', 'test/'].flatMap(flat),
    others: ['train', 'test'].map((split) => ({
      name: `${split}/metadata.jsonl`,
      content: lines('{"file_name": "@#.jpg", "label": "@"}'),
    })),
    right: SPLITS,
  },
  cvat_imagenet: {
    images: classes('default/'),
    others: [{ name: 'default/synsets.txt', content: 'cat\ndog' }],
    right: PETS,
  },
  json_of_labels: {
    images: flat('all/'),
    others: [
      {
        name: 'labels.json',
        content: JSON.stringify(
          Object.fromEntries(PETS.flatMap((label) => numbered(`${label}#.jpg`).map((name) => [name, label]))),
        ),
      },
    ],
    right: PETS,
  },
  // Universities
  food_101: {
    images: classes('food-101/images/'),
    others: [
      {
        name: 'food-101/meta/train.txt',
        content: numbered('cat/#', 'dog/#')
          .filter((name) => /[0-3]$/.test(name))
          .join('\n'),
      },
      {
        name: 'food-101/meta/test.txt',
        content: numbered('cat/#', 'dog/#')
          .filter((name) => /[45]$/.test(name))
          .join('\n'),
      },
      { name: 'food-101/meta/classes.txt', content: 'cat\ndog' },
    ],
    right: SPLITS,
    warnings: ['splits_from_lists'],
  },
  stanford_dogs: {
    images: classes('images/Images/', 'n02085620-Chihuahua', 'n02088364-beagle'),
    others: numbered('annotations/Annotation/n02085620-Chihuahua/n0208_#').map((name) => ({
      name,
      content: '<annotation/>',
    })),
    right: ['n02085620-Chihuahua', 'n02088364-beagle'],
  },
  caltech_101: {
    images: classes('101_ObjectCategories/', 'BACKGROUND_Google', 'cat'),
    right: ['BACKGROUND_Google', 'cat'],
    warnings: ['unknown_class'],
  },
  oxford_flowers: {
    images: numbered('jpg/image_0000#.jpg', 'jpg/image_0001#.jpg'),
    others: [
      { name: 'imagelabels.mat', content: 'MATLAB 5.0' },
      { name: 'setid.mat', content: 'MATLAB 5.0' },
    ],
    right: /"imagelabels.mat" is a file of MATLAB.*CSV/,
  },
  oxford_pets: {
    images: numbered(
      'images/Abyssinian_#.jpg',
      'images/great_pyrenees_#.jpg',
      'annotations/trimaps/Abyssinian_#.png',
      'annotations/trimaps/great_pyrenees_#.png',
    ),
    others: [
      {
        name: 'annotations/trainval.txt',
        content: numbered('Abyssinian_# 1 1 1', 'great_pyrenees_# 2 2 1').join('\n'),
      },
      ...numbered('annotations/xmls/Abyssinian_#.xml').map((name) => ({ name, content: '<annotation/>' })),
    ],
    right: ['Abyssinian', 'great_pyrenees'],
    warnings: ['labels_from_file_names', 'masks_not_used'],
  },
  mnist_idx: {
    images: [],
    others: [{ name: 'train-images-idx3-ubyte', content: 'x' }],
    right: /"train-images-idx3-ubyte" holds images/,
  },
  parquet: {
    images: [],
    others: [{ name: 'data/train-00000-of-00001.parquet', content: 'PAR1' }],
    right: /parquet" holds images/,
  },
  breast_ultrasound: {
    images: numbered(
      'Dataset_BUSI_with_GT/benign/benign (#).png',
      'Dataset_BUSI_with_GT/benign/benign (#)_mask.png',
      'Dataset_BUSI_with_GT/normal/normal (#).png',
      'Dataset_BUSI_with_GT/normal/normal (#)_mask.png',
    ),
    right: ['benign', 'normal'],
    warnings: ['masks_not_used'],
  },
  face_masks: { images: classes('', 'mask', 'no_mask'), right: ['mask', 'no_mask'] },
  flowers_102: {
    images: ['train', 'valid'].flatMap((split) =>
      numbered(`flower_data/${split}/1/#.jpg`, `flower_data/${split}/21/#.jpg`),
    ),
    others: [
      { name: 'cat_to_name.json', content: '{"21": "fire lily", "1": "pink primrose", "3": "canterbury bells"}' },
    ],
    right: ['fire lily train', 'fire lily validation', 'pink primrose train', 'pink primrose validation'],
    warnings: ['class_names'],
  },
  // Lists and tables
  list_of_labels: {
    images: ['train/', 'val/'].flatMap(flat),
    others: [
      { name: 'train.txt', content: lines('train/@#.jpg @') },
      { name: 'val.txt', content: lines('val/@#.jpg @') },
    ],
    right: ['cat train', 'cat validation', 'dog train', 'dog validation'],
  },
  numbers_with_names: {
    images: flat('all/'),
    others: [
      {
        name: 'labels.csv',
        content: lines('@#.jpg,@', 'file,label').replaceAll(/cat$/gm, '1').replaceAll(/dog$/gm, '2'),
      },
      { name: 'classes.txt', content: 'cat\ndog\n' },
    ],
    right: PETS,
    warnings: ['class_names'],
  },
  numbers_without_names: {
    images: classes('', '0', '7'),
    others: [{ name: 'classes.txt', content: 'cat\ndog\n' }],
    right: ['0', '7'],
  },
  list_with_commas: {
    images: flat('all/'),
    others: [{ name: 'labels.txt', content: lines('all/@#.jpg,@') }],
    right: PETS,
  },
  table_with_tabs: {
    images: flat('all/'),
    others: [{ name: 'labels.tsv', content: lines('@#.jpg\t@', 'file\tlabel') }],
    right: PETS,
  },
  spreadsheet: {
    images: flat('all/x'.replace('x', '')).map((name) =>
      name.replace(/cat|dog/, (label) => (label === 'cat' ? '1' : '2')),
    ),
    others: [{ name: 'labels.xlsx', content: 'PK' }],
    right: /"labels.xlsx" is a spreadsheet.*save it as CSV/,
  },
  table_matches_nothing: {
    images: flat('all/'),
    others: [{ name: 'train.csv', content: lines('x-@#,@', 'id,breed') }],
    right: /train.csv matches no file.*"id".*"breed".*none of its 12 rows.*"x-cat0"/,
  },
  two_labels_in_rows: {
    images: flat('all/'),
    others: [{ name: 'labels.csv', content: `${lines('@#.jpg,@', 'file,label')}\ncat0.jpg,dog` }],
    right: PETS,
    warnings: ['several_labels'],
  },
  table_windows_1252: {
    images: flat('all/'),
    others: [
      {
        name: 'labels.csv',
        content: Buffer.from(lines('@#.jpg;@', 'file;label').replaceAll(';cat', ';K\xf6ter'), 'latin1'),
      },
    ],
    right: ['Köter', 'dog'].sort(),
    warnings: ['table_encoding'],
  },
  nested_folder: {
    images: [...classes(''), ...numbered('more/cat/a#.jpg', 'more/dog/a#.jpg')],
    right: ['cat', 'dog', 'more'],
    warnings: ['nested_classes'],
  },
  rows_without_files: {
    images: flat('all/'),
    others: [{ name: 'labels.csv', content: `${lines('@#.jpg,@', 'file,label')}\nlost.jpg,cat` }],
    right: PETS,
    warnings: ['missing'],
  },
  // Names
  names_of_files: {
    images: numbered('all/cat.#.jpg', 'all/dog.#.jpg'),
    right: PETS,
    warnings: ['labels_from_file_names'],
  },
  number_first: { images: numbered('#_cat.jpg', '#_dog.jpg'), right: PETS, warnings: ['labels_from_file_names'] },
  number_in_brackets: {
    images: numbered('cat (#).jpg', 'dog (#).jpg'),
    right: PETS,
    warnings: ['labels_from_file_names'],
  },
  camera_prefix: {
    images: numbered('IMG_cat_#.jpg', 'IMG_dog_#.jpg'),
    right: PETS,
    warnings: ['labels_from_file_names'],
  },
  only_numbers: { images: numbered('IMG_#.jpg', 'IMG_1#.jpg'), right: /no labelled image was found/ },
  class_in_split_folder: {
    images: ['cat', 'dog'].flatMap((name) => numbered(`${name}_train/#.jpg`, `${name}_test/#.jpg`)),
    right: SPLITS,
  },
  split_before_class: {
    images: ['cat', 'dog'].flatMap((name) => numbered(`pets/train-${name}/#.jpg`, `pets/test-${name}/#.jpg`)),
    right: SPLITS,
  },
  unlabelled: {
    images: [...classes(''), ...numbered('unlabelled/#.jpg')],
    right: PETS,
    warnings: ['unlabelled_folder'],
  },
  unknown: {
    images: classes('', 'cat', 'dog', 'unknown'),
    right: ['cat', 'dog', 'unknown'],
    warnings: ['unknown_class'],
  },
  negatives: { images: classes('', 'cat', 'dog', '_unknown'), right: PETS },
  empty_class: { images: classes(''), folders: ['bird/'], right: PETS, warnings: ['empty_folder'] },
  one_image: { images: [...classes(''), 'bird/1.jpg'], right: ['bird', 'cat', 'dog'] },
  nested_archives: {
    images: [],
    others: [
      { name: 'cat.zip', content: 'PK' },
      { name: 'dog.zip', content: 'PK' },
    ],
    right: /"cat.zip" is an archive itself.*unpack it/,
  },
  archive_beside: {
    images: classes(''),
    others: [{ name: 'bird.zip', content: 'PK' }],
    right: PETS,
    warnings: ['archive_inside'],
  },
  unicode_forms: {
    images: numbered('Ko\u0308ter/#.jpg', 'K\u00f6ter/1#.jpg', 'cat/#.jpg'),
    right: ['Köter', 'cat'].sort(),
  },
  system_files: {
    images: classes(''),
    others: ['__MACOSX/cat/._1.jpg', 'cat/.DS_Store', 'dog/desktop.ini', 'cat/Thumbs.db'].map((name) => ({
      name,
      content: 'x',
    })),
    right: PETS,
  },
  names_of_windows: { images: classes('', 'CON', 'nul', 'a.b '), right: ['CON', 'a.b', 'nul'] },
  synsets: { images: classes('', 'n01440764', 'n02085620'), right: ['n01440764', 'n02085620'] },
};
