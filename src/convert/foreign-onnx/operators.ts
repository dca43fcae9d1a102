/** Operators that give each number on as it is, or as another number of the same place. */
export const MOVES = ['Identity', 'Cast', 'Dropout', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose'];
/** They make one number of several of a map. */
export const POOLS = ['AveragePool', 'GlobalAveragePool', 'MaxPool', 'GlobalMaxPool', 'LpPool', 'ReduceMean'];
/** Those of them whose number is the mean. */
export const MEANS = ['AveragePool', 'GlobalAveragePool', 'ReduceMean'];
/** They make one number of one other. */
export const POINTWISE = ['Relu', 'Clip', 'BatchNormalization'];
/** From numbers to the integers that stand for them, and back. */
export const QUANTIZATION = ['QuantizeLinear', 'DequantizeLinear'];
/** They pass on what one input says, where the others are constants. */
export const ARITHMETIC = ['Add', 'Sub', 'Mul', 'Div'];
