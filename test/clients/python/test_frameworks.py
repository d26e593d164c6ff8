"""The frameworks that the documentation names, as it shows them and as their users go on from there."""

import importlib.util
import os
import pathlib
import unittest

from pydantic import BaseModel

from customers import BASE_URL, MODEL, new_customer

# The vocabularies of tiktoken, which LangChain encodes embeddings input with, come with LlamaIndex: no download.
LLAMA_INDEX = pathlib.Path(importlib.util.find_spec("llama_index.core").origin).parent
os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(LLAMA_INDEX / "_static" / "tiktoken_cache"))


class Person(BaseModel):
    name: str
    age: int
    city: str


class Framework(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.key = new_customer().api_key


class LangChain(Framework):
    def llm(self, **options):
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(model=MODEL, api_key=self.key, base_url=BASE_URL, max_retries=0, **options)

    def test_invoke(self):
        response = self.llm().invoke("Explain quantum computing in one paragraph")
        self.assertNotEqual(response.content, "")
        self.assertGreater(response.usage_metadata["total_tokens"], 0)

    def test_batch_adds_usages_up(self):
        from langchain_core.messages import HumanMessage

        result = self.llm().generate([[HumanMessage("Hello!")], [HumanMessage("Good bye!")]])
        self.assertGreater(result.llm_output["token_usage"]["cost"], 0)

    def test_stream(self):
        whole = None
        for chunk in self.llm(stream_usage=True).stream("Write a poem about the sea"):
            whole = chunk if whole is None else whole + chunk
        self.assertNotEqual(whole.content, "")
        self.assertGreater(whole.usage_metadata["output_tokens"], 0)

    def test_structured_output(self):
        person = self.llm().with_structured_output(Person).invoke("Who lives in Paris?")
        self.assertIsInstance(person, Person)

    def test_tools(self):
        from langchain_core.messages import HumanMessage
        from langchain_core.tools import tool

        @tool
        def get_weather(city: str) -> str:
            """The weather of a city."""
            return "21 °C"

        llm = self.llm().bind_tools([get_weather])
        question = HumanMessage("Use get_weather: how is the weather in Paris?")
        asked = llm.invoke([question])
        self.assertEqual(asked.tool_calls[0]["name"], "get_weather")
        answer = llm.invoke([question, asked, get_weather.invoke(asked.tool_calls[0])])
        self.assertNotEqual(answer.content, "")

    def test_embeddings_by_token_ids(self):
        from langchain_openai import OpenAIEmbeddings

        options = {"model": "text-embedding-v3", "api_key": self.key, "base_url": BASE_URL}
        by_ids = OpenAIEmbeddings(**options).embed_query("Hello world")
        by_text = OpenAIEmbeddings(check_embedding_ctx_length=False, **options).embed_query("Hello world")
        self.assertEqual(len(by_ids), 1_024)
        self.assertEqual(by_ids, by_text)
        self.assertEqual(len(OpenAIEmbeddings(**options).embed_documents([f"text {i}" for i in range(25)])), 25)


class LlamaIndex(Framework):
    def test_like_openai(self):
        from llama_index.llms.openai_like import OpenAILike

        llm = OpenAILike(model=MODEL, api_key=self.key, api_base=BASE_URL, is_chat_model=True)
        self.assertNotEqual(str(llm.complete("Hello!")), "")
        self.assertNotEqual("".join(part.delta for part in llm.stream_complete("Hello!")), "")

    def test_openai_by_an_alias(self):
        from llama_index.llms.openai import OpenAI as LlamaOpenAI

        llm = LlamaOpenAI(model="gpt-4o", api_key=self.key, api_base=BASE_URL)
        self.assertNotEqual(str(llm.complete("Hello!")), "")

    def test_openai_refuses_names_that_are_not_openais_before_it_asks_us(self):
        from llama_index.llms.openai import OpenAI as LlamaOpenAI

        llm = LlamaOpenAI(model=MODEL, api_key=self.key, api_base=BASE_URL)
        with self.assertRaisesRegex(ValueError, "Unknown model"):
            llm.complete("Hello!")


class CrewAi(Framework):
    def test_snippet_of_the_documentation(self):
        os.environ["OPENAI_API_KEY"] = self.key
        os.environ["OPENAI_API_BASE"] = BASE_URL
        from crewai import Agent, Crew, Task

        # No model is named: CrewAI asks for its default, which is an alias of ours.
        agent = Agent(role="Researcher", goal="Find insights", backstory="Expert researcher")

        task = Task(description="Say hello.", expected_output="A greeting", agent=agent)
        output = Crew(agents=[agent], tasks=[task]).kickoff()
        self.assertNotEqual(str(output), "")
        self.assertGreater(output.token_usage.total_tokens, 0)


class AutoGen(Framework):
    def test_snippet_of_the_documentation(self):
        import autogen

        config_list = [{"model": MODEL, "api_key": self.key, "base_url": BASE_URL}]
        assistant = autogen.AssistantAgent("assistant", llm_config={"config_list": config_list})

        user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
        result = user.initiate_chat(assistant, message="Hello!", max_turns=1, silent=True)
        self.assertNotEqual(result.chat_history[-1]["content"], "")


class AutoGenExtensions(unittest.IsolatedAsyncioTestCase):
    async def test_agent_with_a_tool(self):
        from autogen_agentchat.agents import AssistantAgent
        from autogen_ext.models.openai import OpenAIChatCompletionClient

        client = OpenAIChatCompletionClient(
            model=MODEL,
            api_key=new_customer().api_key,
            base_url=BASE_URL,
            model_info={
                "vision": False,
                "function_calling": True,
                "json_output": True,
                "structured_output": True,
                "family": "unknown",
            },
        )
        self.addAsyncCleanup(client.close)
        cities = []

        async def get_weather(city: str) -> str:
            """The weather of a city."""
            cities.append(city)
            return "21 °C"

        agent = AssistantAgent("assistant", model_client=client, tools=[get_weather], reflect_on_tool_use=True)
        result = await agent.run(task="Use get_weather: how is the weather in Paris?")
        self.assertEqual(len(cities), 1)
        self.assertNotEqual(result.messages[-1].content, "")
