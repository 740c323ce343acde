"""Asks GLM-4 one question with transformers. The inputs stay on the CPU: GLM Local underlines where, and offers the fix."""

from transformers import AutoModelForCausalLM, AutoTokenizer

name = "zai-org/GLM-4-9B-0414"
tokenizer = AutoTokenizer.from_pretrained(name)
model = AutoModelForCausalLM.from_pretrained(name, device_map="auto", dtype="auto")

messages = [{"role": "user", "content": "What does device_map do?"}]
inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
output = model.generate(**inputs, max_new_tokens=128)
print(tokenizer.decode(output[0][inputs["input_ids"].shape[1]:], skip_special_tokens=True))
