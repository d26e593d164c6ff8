"""The official Python SDK: what the documentation shows, and what its users do besides."""

import json
import time
import unittest

import httpx
import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from customers import BASE_URL, MODEL, new_customer

HELLO = [{"role": "user", "content": "Hello!"}]
WEATHER_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Person(BaseModel):
    name: str
    age: int
    city: str


class SyncSdk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = OpenAI(api_key=new_customer().api_key, base_url=BASE_URL, max_retries=0)

    def test_chat_shows_its_cost(self):
        answer = self.client.chat.completions.create(model=MODEL, messages=HELLO)
        self.assertEqual(answer.model, MODEL)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertNotEqual(answer.choices[0].message.content, "")
        self.assertIsInstance(answer.usage.cost, float)
        self.assertGreater(answer.usage.cost, 0)
        self.assertEqual(answer._request_id, answer._request_id.lower())

    def test_conversation(self):
        answer = self.client.chat.completions.create(
            model=MODEL,
            messages=[
                {"role": "system", "content": "You are a helpful coding assistant."},
                {"role": "user", "content": "Write a Python function to reverse a linked list"},
            ],
        )
        self.assertNotEqual(answer.choices[0].message.content, "")

    def test_stream_as_the_documentation_reads_it(self):
        stream = self.client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Write a poem about the sea"}], stream=True
        )
        text = ""
        for chunk in stream:
            if chunk.choices[0].delta.content:
                text += chunk.choices[0].delta.content
        self.assertNotEqual(text, "")

    def test_stream_with_usage(self):
        stream = self.client.chat.completions.create(
            model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
        self.assertEqual(chunks[-1].choices, [])
        self.assertGreater(chunks[-1].usage.cost, 0)
        self.assertTrue(all(chunk.usage is None for chunk in chunks[:-1]))

    def test_stream_helper(self):
        with self.client.chat.completions.stream(model=MODEL, messages=HELLO) as stream:
            for _event in stream:
                pass
            self.assertNotEqual(stream.get_final_completion().choices[0].message.content, "")

    def test_tools_there_and_back(self):
        messages = [{"role": "user", "content": "Use get_weather: how is the weather in Paris?"}]
        asked = self.client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER_TOOL])
        call = asked.choices[0].message.tool_calls[0]
        self.assertEqual(call.function.name, "get_weather")
        self.assertIn("city", json.loads(call.function.arguments))
        messages.append(asked.choices[0].message)
        messages.append({"role": "tool", "tool_call_id": call.id, "content": "21 °C"})
        answer = self.client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER_TOOL])
        self.assertEqual(answer.choices[0].finish_reason, "stop")

    def test_parse_by_a_schema(self):
        answer = self.client.chat.completions.parse(
            model=MODEL, messages=[{"role": "user", "content": "Who lives in Paris?"}], response_format=Person
        )
        self.assertIsInstance(answer.choices[0].message.parsed, Person)

    def test_json_mode(self):
        answer = self.client.chat.completions.create(
            model=MODEL,
            response_format={"type": "json_object"},
            messages=[{"role": "user", "content": "Return a JSON object with name, age, city"}],
        )
        self.assertIsInstance(json.loads(answer.choices[0].message.content), dict)

    def test_models(self):
        self.assertIn(MODEL, [model.id for model in self.client.models.list()])
        self.assertEqual(self.client.models.retrieve(MODEL).id, MODEL)

    def test_embeddings_in_base64_and_as_floats(self):
        by_default = self.client.embeddings.create(model="text-embedding-v3", input="Hello world")
        floats = self.client.embeddings.create(
            model="text-embedding-v3", input="Hello world", encoding_format="float"
        )
        self.assertEqual(len(by_default.data[0].embedding), 1_024)
        for one, other in zip(by_default.data[0].embedding, floats.data[0].embedding):
            self.assertAlmostEqual(one, other, places=6)

    def test_vision(self):
        content = [
            {"type": "text", "text": "What's in this image?"},
            {"type": "image_url", "image_url": {"url": "https://example.com/photo.jpg"}},
        ]
        answer = self.client.chat.completions.create(
            model="qwen-vl-max", messages=[{"role": "user", "content": content}]
        )
        self.assertNotEqual(answer.choices[0].message.content, "")
        with self.assertRaises(openai.BadRequestError) as refused:
            self.client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}])
        self.assertEqual(refused.exception.code, "unsupported_parameter")

    def test_read_timeout_is_kept_by_comments(self):
        question = [{"role": "user", "content": "[[sim tokens=4 first_delay_ms=7000]] Hello!"}]
        stream = self.client.with_options(timeout=httpx.Timeout(60, read=3)).chat.completions.create(
            model=MODEL, messages=question, stream=True
        )
        self.assertNotEqual("".join(chunk.choices[0].delta.content or "" for chunk in stream), "")


class Errors(unittest.TestCase):
    def client(self, api_key, **options):
        return OpenAI(api_key=api_key, base_url=BASE_URL, **{"max_retries": 0, **options})

    def ask(self, client, text="Hello!", **members):
        messages = [{"role": "user", "content": text}]
        return client.chat.completions.create(**{"model": MODEL, "messages": messages, **members})

    def counting(self, api_key, max_retries):
        """A client that retries, and the answers it has got so far with their time."""
        seen = []

        def note(response):
            seen.append((time.monotonic(), response))

        http_client = httpx.Client(event_hooks={"response": [note]})
        return self.client(api_key, max_retries=max_retries, http_client=http_client), seen

    def test_400(self):
        with self.assertRaises(openai.BadRequestError) as error:
            self.ask(self.client(new_customer().api_key), temperature=3)
        self.assertEqual(error.exception.param, "temperature")
        self.assertEqual(error.exception.code, "invalid_value")
        self.assertRegex(error.exception.request_id, "^[0-9a-f-]{36}$")

    def test_401(self):
        with self.assertRaises(openai.AuthenticationError) as error:
            self.ask(self.client("sk-wrong"))
        self.assertEqual(error.exception.code, "invalid_api_key")

    def test_402_is_not_tried_again(self):
        client, seen = self.counting(new_customer(credit="0.000001").api_key, max_retries=3)
        with self.assertRaises(openai.APIStatusError) as error:
            self.ask(client, max_tokens=4_096)
        self.assertEqual(error.exception.status_code, 402)
        self.assertEqual(error.exception.body["code"], 402)
        self.assertEqual(error.exception.type, "insufficient_quota")
        self.assertEqual(len(seen), 1)

    def test_404(self):
        client = self.client(new_customer().api_key)
        with self.assertRaises(openai.NotFoundError) as error:
            self.ask(client, model="deepseek-chta")
        self.assertIn("deepseek-chat", error.exception.message)
        with self.assertRaises(openai.NotFoundError) as error:
            client.responses.create(model=MODEL, input="Hello!")
        self.assertIn("use_responses_api=False", error.exception.message)

    def test_429_is_tried_again_when_the_server_says(self):
        api_key = new_customer(concurrency=1).api_key
        running = self.ask(
            self.client(api_key), "[[sim tokens=600 chunk_delay_ms=50]] A story.", stream=True, max_tokens=600
        )
        next(iter(running))
        try:
            client, seen = self.counting(api_key, max_retries=1)
            with self.assertRaises(openai.RateLimitError):
                self.ask(client)
            self.assertEqual([response.status_code for _, response in seen], [429, 429])
            wait_s = int(seen[0][1].headers["retry-after-ms"]) / 1_000
            self.assertGreaterEqual(seen[1][0] - seen[0][0], wait_s - 0.02)
        finally:
            running.close()

    def test_502(self):
        with self.assertRaises(openai.InternalServerError) as error:
            self.ask(
                self.client(new_customer().api_key), "[[sim fault=status:500]] Hello!", model="glm-4-flash"
            )
        self.assertEqual(error.exception.code, "upstream_error")

    def test_a_stream_that_breaks_raises(self):
        stream = self.ask(
            self.client(new_customer().api_key),
            "[[sim tokens=40 fault=cut:10]] A story.",
            model="minimax-m3",
            stream=True,
        )
        with self.assertRaises(openai.APIError) as error:
            for _chunk in stream:
                pass
        self.assertEqual(error.exception.code, "upstream_stream_cut")


class AsyncSdk(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.client = AsyncOpenAI(api_key=new_customer().api_key, base_url=BASE_URL, max_retries=0)
        self.addAsyncCleanup(self.client.close)

    async def test_chat(self):
        answer = await self.client.chat.completions.create(model=MODEL, messages=HELLO)
        self.assertNotEqual(answer.choices[0].message.content, "")

    async def test_stream(self):
        text = ""
        async for chunk in await self.client.chat.completions.create(model=MODEL, messages=HELLO, stream=True):
            text += chunk.choices[0].delta.content or ""
        self.assertNotEqual(text, "")

    async def test_embeddings(self):
        answer = await self.client.embeddings.create(model="embedding-3", input=["a", "b"])
        self.assertEqual([len(entry.embedding) for entry in answer.data], [2_048, 2_048])

    async def test_error(self):
        with self.assertRaises(openai.BadRequestError):
            await self.client.chat.completions.create(model=MODEL, messages=[])
