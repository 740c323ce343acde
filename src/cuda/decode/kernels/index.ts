/** The CUDA C++ of the decode kernels: one program in parts, in the order in which they build on each other. */

import attention from './attention.cu';
import common from './common.cu';
import matrixUnits from './matrixUnits.cu';
import picking from './picking.cu';
import projections from './projections.cu';
import rows from './rows.cu';

export const kernelSource = [common, matrixUnits, rows, projections, attention, picking].join('\n');
