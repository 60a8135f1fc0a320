#!/usr/bin/env python3
"""Check a running server with the official OpenAI client: one line per check, exit status 1 on any failure.

    python tests/clients/openai_client.py [http://127.0.0.1:8080/v1]

Needs `pip install openai`.
"""
import sys
import openai

client = openai.OpenAI(base_url=sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/v1", api_key="unused",
                       max_retries=0)
failures = 0


def check(name, ok, shown=""):
    global failures
    failures += not ok
    print("ok  " if ok else "FAIL", name, shown)


def refused(name, error, code, call):
    try:
        call()
        check(name, False, "(no error)")
    except error as found:
        check(name, found.code == code, f"({found.status_code} {found.code})")


model = client.models.list().data[0].id
check("models are listed", bool(model), model)
check("one model is shown", client.models.retrieve(model).id == model)

ask = [{"role": "user", "content": "Tell me a story about a dog and a boat."}]
whole = client.chat.completions.create(model=model, messages=ask, max_tokens=40, temperature=0)
check("chat answers", len(whole.choices[0].message.content) > 40, repr(whole.choices[0].message.content[:50]))
check("usage adds up", whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens == whole.usage.prompt_tokens + 40)
check("a cut answer says length", whole.choices[0].finish_reason == "length")

chunks = list(client.chat.completions.create(model=model, messages=ask, max_tokens=40, temperature=0, stream=True,
                                             stream_options={"include_usage": True}))
text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
check("a stream gives the same text", text == whole.choices[0].message.content)
check("the first chunk has the role", chunks[0].choices[0].delta.role == "assistant")
check("finish_reason is null until the end", [c.choices[0].finish_reason for c in chunks if c.choices][:-1] == [None] * (len(chunks) - 2))
check("the last chunk has the usage", chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 40)
check("all chunks share one id", len({c.id for c in chunks}) == 1)

seeded = [client.completions.create(model=model, prompt="Once upon a time", max_tokens=24, temperature=1.0, seed=s)
          .choices[0].text for s in (5, 5, 6)]
check("the same seed gives the same text", seeded[0] == seeded[1])
check("another seed gives another text", seeded[0] != seeded[2])

two = client.chat.completions.create(model=model, messages=ask, max_tokens=8, n=2, seed=1, logprobs=True, top_logprobs=3)
check("n=2 gives two choices", [c.index for c in two.choices] == [0, 1])
entries = two.choices[0].logprobs.content
check("log probabilities come per token", len(entries) == 8 and all(len(e.top_logprobs) == 3 and e.logprob <= 0 for e in entries))

stopped = client.completions.create(model=model, prompt="Once upon a time", max_tokens=60, temperature=0, stop=[","])
check("a stop text ends the answer before it", stopped.choices[0].finish_reason == "stop" and "," not in stopped.choices[0].text)

refused("an unknown model", openai.NotFoundError, "model_not_found",
        lambda: client.chat.completions.create(model="gpt-9", messages=ask))
refused("a prompt over the context", openai.BadRequestError, "context_length_exceeded",
        lambda: client.completions.create(model=model, prompt="dog " * 4000))
refused("no messages", openai.BadRequestError, "invalid_value",
        lambda: client.chat.completions.create(model=model, messages=[]))
refused("a temperature of 9", openai.BadRequestError, "invalid_value",
        lambda: client.chat.completions.create(model=model, messages=ask, temperature=9))
sys.exit(failures > 0)
