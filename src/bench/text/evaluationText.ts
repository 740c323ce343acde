/**
 * The text that perplexity is computed on, written for this purpose: plain prose in English and Chinese about the things this product is for.
 * Changing a character changes every perplexity: reports carry a hash of the ids, and only equal hashes compare.
 */

export const evaluationText = `A language model reads a prompt and then writes one token after another. The first part is called prefill: all tokens of the prompt go through the layers together, and the keys and values of every position are kept. The second part is called decode: each new token goes through the layers alone and looks back at what was kept. Prefill is limited by how fast a device can multiply, decode by how fast it can read its memory, because every weight is read once for every token.

What is a device map? A device map says which part of a model lies on which device. With device_map="auto" the layers are placed on the GPUs in order, and what does not fit goes to the processor. If the model is on cuda:0 and the inputs stay on the cpu, PyTorch stops with an error. Move the inputs to the device of the model with inputs.to(model.device), and the error goes away.

How much memory does a model need? Count the parameters and multiply them by the bytes of one weight. Nine billion weights in bfloat16 take eighteen gigabytes. The same weights in four bits take about five gigabytes, because each block of weights carries a scale besides its numbers. The cache of keys and values comes on top and grows with the length of the conversation.

Why does the second answer start sooner than the first? The beginning of the conversation is already in the cache, so only the new message has to be read. When the beginning changes, nothing can be reused and the whole prompt is read again.

A good measurement is repeated. Run it once to warm up, then at least five times, and quote the median. Write down the machine, the versions and the length of the prompt. Compare only runs that generated the same number of tokens from the same prompt, and say what else was running at the time.

The old lighthouse stood at the end of the pier. In the evening the keeper climbed the stairs, lit the lamp and wrote the weather into a book: wind from the west, light rain, two ships in sight. On clear nights the light could be seen from the hills behind the town, and children counted the seconds between two flashes.

To make a simple soup, cut two carrots, one onion and three potatoes into small pieces. Heat a spoon of oil in a pot, add the onion, and wait until it is soft. Add the other vegetables and one litre of water, and let it cook for twenty minutes. Add salt at the end.

def average(values):
    if not values:
        raise ValueError("values must not be empty")
    return sum(values) / len(values)

什么是显存？显存是显卡上的内存，用来存放模型的权重、键值缓存和中间结果。模型越大，需要的显存越多。如果显存不够，可以使用更少的位数来保存权重，或者把一部分层放到另一块显卡上。

为什么输入要和模型在同一个设备上？因为计算只能在一个设备上进行。如果模型在显卡上，而输入还在处理器上，程序就会报错。把输入移动到模型所在的设备，问题就解决了。

怎样比较两个模型的速度？让它们读同样的提示，生成同样多的词，重复至少五次，然后比较中位数。只看总时间是不公平的，因为一个模型可能说得更多，另一个模型可能早早就停了。

春天来了，河边的柳树发出了新芽。孩子们在草地上放风筝，老人们坐在长椅上聊天。远处的山还有一点雪，但是风已经不冷了。

你好，请介绍一下你自己。你好，我是一个在本地运行的小模型，可以回答关于设备、显存和速度的问题。请告诉我你想做什么，我会尽力帮助你。
`;
