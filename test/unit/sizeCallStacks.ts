/**
 * Runs before the test files of a process. Native calls need large stacks, and koffi takes their size only until the first library is loaded;
 * without this a file that loads another library first would break those after it that load ONNX Runtime.
 */

import '../../src/ort/ortLibrary';
