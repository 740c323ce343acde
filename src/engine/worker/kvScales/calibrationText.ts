/** What the scales of an int8 KV cache are measured on: different scripts, code, numbers, and a question with its answer. None of it is scored by a benchmark. */

export const calibrationTexts: readonly string[] = [
  `The harbour was quiet before the first ferry. Two gulls stood on the railing, and a man in a yellow coat counted crates from 1 to 48, twice, because the list said 49.
"Somebody has eaten one," he told the clerk, who did not look up. She had been awake since three; the tide tables for March 2019 were wrong by eleven minutes, and every captain had called to say so.
By noon the fog lifted. What had been a grey wall turned into islands, each with its church and its single road, and the crate was found where it had always been, under the other forty-eight.`,
  `冬天的早晨，村口的老井旁已经排起了队。李奶奶提着一只旧铁桶，一边等，一边给孩子们讲三十年前发大水的故事。
“那时候桥还没有修好，”她说，“我们坐船去上学，书包要顶在头上。”孩子们听得入了神，连轮到自己打水也忘了。
今年是二〇二四年，井水仍旧清甜，只是来打水的人越来越少；城里早就通了自来水，价格是每吨 3.85 元。`,
  `export async function readLines(path: string, limit = 1000): Promise<string[]> {
  const handle = await open(path, 'r');
  try {
    const lines: string[] = [];
    for await (const line of handle.readLines()) {
      if (lines.push(line.trimEnd()) >= limit) break;
    }
    return lines;
  } finally {
    await handle.close();
  }
}
# Python: total = sum(x ** 2 for x in range(10) if x % 2 == 0)  # 120
{"name": "sensor-7", "values": [0.12, -4.5, 1e-3], "ok": true, "unit": "°C"}`,
];

export const calibrationChat = {
  question: 'How do I keep bread fresh for longer, and why does the fridge make it stale? 请用两种语言回答。',
  answer: `Keep it in a paper bag at room temperature for two days, then freeze it in slices.
In the fridge, at about 4 °C, the starch crystallises faster than at 20 °C, so the crumb turns hard.
室温下用纸袋保存，两天之内吃完；剩下的切片冷冻。冰箱里的低温会让淀粉更快老化。`,
};
