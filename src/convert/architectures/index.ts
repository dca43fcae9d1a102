/** All families of networks. A new one is a file beside this one, and a line here. */
export { alexnet } from './alexnet.ts';
export { densenet } from './densenet.ts';
export { efficientnetLite } from './efficientnet-lite.ts';
export { graph } from './graph.ts';
export { inception } from './inception.ts';
export { mobilenetV2 } from './mobilenet-v2.ts';
export { resnet } from './resnet.ts';
export { squeezenet } from './squeezenet.ts';
export { vgg } from './vgg.ts';
