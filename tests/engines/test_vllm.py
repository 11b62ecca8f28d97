"""The embedded checkpoint loads in a real vLLM and answers as transformers does. Run by ``make test-vllm``."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from golong_eval.engines import embedded_model

CODE = """
import json, sys
if __name__ == "__main__":
    from vllm import LLM, SamplingParams
    llm = LLM(sys.argv[1], max_model_len=4096, enforce_eager=True, dtype="float32")
    message = [{"role": "user", "content": "What is a generator?"}]
    out = llm.chat([message], SamplingParams(max_tokens=12, temperature=0))[0]
    print("RESULT " + json.dumps([out.outputs[0].token_ids, len(out.prompt_token_ids)]))
"""

REFERENCE = """
import json, sys
from transformers import AutoModelForCausalLM, AutoTokenizer
model, tokenizer = AutoModelForCausalLM.from_pretrained(sys.argv[1]), AutoTokenizer.from_pretrained(sys.argv[1])
message = [{"role": "user", "content": "What is a generator?"}]
ids = tokenizer.apply_chat_template(message, add_generation_prompt=True, return_tensors="pt", return_dict=True)
out = model.generate(**ids, max_new_tokens=12, do_sample=False)
size = ids["input_ids"].shape[1]
print("RESULT " + json.dumps([out[0, size:].tolist(), size]))
"""


@pytest.mark.vllm
@pytest.mark.timeout(600)
def test_vllm_and_transformers_agree_on_the_embedded_checkpoint(tmp_path) -> None:
    results = []
    for name, code in (("vllm", CODE), ("reference", REFERENCE)):
        script = tmp_path / f"by_{name}.py"
        script.write_text(code)
        run = subprocess.run(
            [sys.executable, str(script), embedded_model()],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"},
        )
        found = [line for line in run.stdout.splitlines() if line.startswith("RESULT ")]
        assert found, run.stdout[-2000:] + run.stderr[-4000:]
        results.append(json.loads(found[0].removeprefix("RESULT ")))
    assert results[0] == results[1]
