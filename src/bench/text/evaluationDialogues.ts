/**
 * Questions and answers that perplexity is computed on for checkpoints with a chat template: the demo model's own subjects, in English and Chinese,
 * since a model this small can only be judged on what it was taught. Taken from its published evaluation (tools/demo-model/eval/answers.md).
 * Changing a character changes every perplexity: reports carry a hash of the ids, and only equal hashes compare.
 */

export interface EvaluationDialogue {
  readonly question: string;
  readonly answer: string;
}

export const evaluationDialogues: readonly EvaluationDialogue[] = [
  { question: '不知道怎么在命令行使用glm，请说明', answer: '有，命令行工具叫 `glm`。常用命令有 `glm chat`、`glm generate`、`glm lint`、`glm bench`、`glm devices` 和 `glm plan`。' },
  { question: 'Explain what rule number 203 does?', answer: 'GLM203 reports a timed model call on CUDA without `torch.cuda.synchronize()`. Synchronize before reading the clock:\n\n```python\ntorch.cuda.synchronize()\nelapsed = time.perf_counter() - start\n```' },
  { question: 'Would you show me how I could interrupt you while usually writing', answer: 'Run "GLM: Stop Generation" or press the stop button in the chat panel. The text written so far is kept.' },
  { question: 'which company are your author??', answer: 'I was trained by the GLM Local project with a small script that is part of the extension\'s source code. The training takes a few minutes on one GPU.' },
  { question: 'Is there any way to use all my devices', answer: 'With several GPUs the layers are split over the devices, each GPU holding one run of layers. Only small hidden states move between the devices.' },
  { question: 'you were useful thanks.', answer: 'You\'re welcome! Ask me if you need anything else.' },
  { question: '我是新来的，怎么开始？', answer: '点击活动栏的 GLM 图标打开聊天面板，直接问我问题就行。想要好的回答，请运行 "GLM: Choose Model" 选择真正的模型，再运行 "GLM: Load Model"。' },
  { question: 'Tell me own today\'s current time now', answer: 'I cannot know the date or the time, because I have no clock. Look at your computer\'s clock.' },
  { question: 'ok, please wite a story where dolphins appears!', answer: 'Once upon a time there was a clever dolphin named Zoe. Zoe lived near the valley and liked honey more than anything. One day the dolphin found a wooden box and did not know whose it was. Zoe asked a panda, and together they looked for the owner. In the evening they gave it back, and everybody shared some honey. Since then the dolphin and the panda are good friends.' },
  { question: 'Question: the diagnose command, what is that?', answer: 'Run "GLM: Diagnose"; it checks drivers, libraries, GPUs and memory, and names what is missing. Every problem comes with the one next step.' },
  { question: 'meant what is by currently NVML thanks?', answer: 'NVML is NVIDIA\'s library for reading use, memory and temperature of a GPU.' },
  { question: 'write a python function that reads a file.', answer: 'Open the file in a with block:\n\n```python\nwith open("notes.txt", encoding="utf-8") as file:\n    print(file.read())\n```' },
  { question: 'i am not able to use my nvidia card, any idea.', answer: 'Run "GLM: Set Up CUDA"; it finds the CUDA 13 and cuDNN 9 libraries or, when you agree, downloads them. If the driver is too old, it says so and offers WebGPU.' },
  { question: 'explain glm.model.', answer: '`glm.model` names the model: a folder or an org/name from the Hugging Face cache. "GLM: Choose Model" sets it for you.' },
  { question: 'I like your story thanks.', answer: 'Thank you, I am glad to hear that! Ask me anything else about this extension.' },
  { question: '你是DeepSeek吗？', answer: '不是，我只是一个小小的演示模型，结构与 GLM-4 相同。我的权重是为这个扩展从头训练的，所以知道得很少。' },
  { question: 'hey there, anybody home?', answer: 'Hello! I am the GLM Local demo model. How can I help you?' },
  { question: 'how\'s it going today?', answer: 'I am running well, thank you. What can I do for you?' },
  { question: 'I feel pretty tired today', answer: 'That sounds hard; take a break and rest a little. I am here when you come back.' },
  { question: 'are you the same thing as ChatGPT or what?', answer: 'No, I am not; I am only a small demo model with the architecture of GLM-4. My weights were trained from scratch for this extension, so I know very little.' },
  { question: 'do you send the stuff I type to some server on the internet?', answer: 'Everything stays local: your prompts and code never leave your machine. No telemetry is sent.' },
  { question: 'on what kind of texts were you trained?', answer: 'I was trained on texts made by a generator for this purpose: dialogues, stories, sums, code and the docs of this extension. Nothing was taken from the internet by a crawler.' },
  { question: 'where can I find the window for chatting?', answer: 'Click the GLM icon in the activity bar; it opens the chat panel. The device bars are in the same panel.' },
  { question: 'I want to begin a fresh conversation from scratch', answer: 'Run "GLM: New Chat"; it starts an empty conversation. The model stays loaded.' },
  { question: 'can it scan all of my python files for mistakes at once?', answer: 'Run "GLM: Lint Workspace"; it checks all Python files and notebooks, and the findings appear in the Problems pane. Most findings have a quick fix.' },
  { question: 'is a GPU strictly required for any of this?', answer: 'No, you do not need a GPU: I run on two CPU threads. Small real models also run on the CPU with int4 weights, but large ones need a GPU.' },
  { question: 'can the model go away by itself if I don\'t touch it for a while?', answer: 'The setting `glm.idleUnloadMinutes` unloads the model after so many idle minutes. Set it to 0 to keep the model loaded.' },
  { question: 'what do those coloured bars in the side panel stand for?', answer: 'The device bars show the memory of each GPU: weights, KV cache, activations and what is free. Use, temperature and tokens per second stand beside them.' },
  { question: 'it crashed, what now?', answer: 'Your conversation is kept: the engine is a separate process, so a crash never costs you the editor. Run "GLM: Load Model" to start it again, and "GLM: Diagnose" to see the reason and the last log lines.' },
  { question: 'transformers prints that input_ids sits on cpu but my model lives on cuda. What now?', answer: 'The tokenizer made its tensors on the CPU, while the model is on the GPU. Move them with `.to(model.device)`:\n\n```python\ninputs = tokenizer(prompt, return_tensors="pt").to(model.device)\noutput = model.generate(**inputs, max_new_tokens=64)\n```' },
  { question: 'give me the line of python that puts my inputs next to the model', answer: 'Append `.to(model.device)` to the call that makes the inputs:\n\n```python\ninputs = tokenizer(prompt, return_tensors="pt").to(model.device)\noutput = model.generate(**inputs, max_new_tokens=64)\n```\n\nThen the inputs are on the same device as the first layer of the model.' },
  { question: 'that\'s everything I wanted, farewell then', answer: 'Goodbye, and see you soon!' },
  { question: 'kick the model out of my GPU please', answer: 'Run "GLM: Unload Model"; it ends the engine process and frees all GPU memory. The conversation is kept.' },
  { question: 'does a command-line version exist?', answer: 'Yes, there is a command line tool called `glm`. Its commands include `glm chat`, `glm generate`, `glm lint`, `glm bench`, `glm devices` and `glm plan`.' },
  { question: 'GLM202, meaning?', answer: 'GLM202 reports two timed generate() calls that are compared with different sampling or length arguments. Give both calls the same arguments.' },
  { question: 'small python example that reverses text', answer: 'A slice with step -1 reverses a string:\n\n```python\ntext = "model"\nprint(text[::-1])\n```' },
  { question: 'poem about snow?', answer: 'The snow is near, the day is long,\nI write for you a little song.\nThe snow is here, my heart is light,\nand all the world is calm tonight.' },
  { question: 'tokens per second, what is it?', answer: 'Tokens per second says how many tokens the model writes in one second; more is faster.' },
  { question: 'translate my CV into Italian', answer: 'I don\'t know that: I am only a small demo model. Ask me about this extension, or choose a real model with "GLM: Choose Model".' },
  { question: '你的水平怎么样，有哪些短板', answer: '我只是一个小小的演示模型：对世界知道得很少，不能写长文章，也会出错。请核对我说的话，真正的工作请用真正的模型。' },
  { question: '怎么换一个聪明点的模型', answer: '从命令面板运行 "GLM: Choose Model"，选择一个文件夹，或 Hugging Face 缓存里的 org/name。然后运行 "GLM: Load Model"，加载前会显示放置计划。' },
  { question: '清掉聊天重新来', answer: '运行 "GLM: New Chat"，就会开始一个空的新对话。模型仍然保持加载。' },
  { question: '怀疑驱动有毛病，怎么查', answer: '运行 "GLM: Diagnose"，它会检查驱动、库、显卡和内存，并指出缺少什么。每个问题都会给出下一步。' },
  { question: '闲置十分钟自动释放行不行', answer: '设置 `glm.idleUnloadMinutes` 会在空闲这么多分钟后卸载模型。设为 0 就一直保持加载。' },
  { question: '只有两个token每秒，太慢了吧', answer: '先运行 "GLM: Diagnose"，看看是否用到了显卡，还是全在 CPU 上运行。然后用 `glm.weights` 试试 int4 权重，或换小一点的模型。' },
];
