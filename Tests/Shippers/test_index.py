"""The index template, and each field's place in the Elastic Common Schema. Nothing here runs Elasticsearch."""
import importlib.util
import json
import unittest

import lines
from programs import ROOT, run

spec = importlib.util.spec_from_file_location("generator", ROOT / "tools/gen-index-template.py")
generator = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generator)

ECS_SETS = {"event", "host", "process", "container", "file", "network", "log", "service", "os", "error", "group", "user"}
SAME_FAMILY = [{"keyword", "wildcard", "constant_keyword"}, {"text", "match_only_text"}]


class Index(unittest.TestCase):
    def setUp(self):
        self.template = json.loads((ROOT / "packaging/elasticsearch/blockwatch.json").read_text())
        self.fields = {".".join(path): part for path, part in generator.leaves(lines.SCHEMA)}
        self.facts = generator.facts()

    def mapped(self, field: str) -> dict:
        node = self.template["template"]["mappings"]
        for step in field.split("."):
            node = node["properties"][step]
        return node

    def test_it_is_what_the_schema_makes(self):
        run("python3", ROOT / "tools/gen-index-template.py", "--check")

    def test_every_field_of_the_schema_is_mapped_and_takes_its_examples(self):
        fits = {
            "keyword": str, "text": str, "date": str, "ip": str, "long": int, "double": (int, float), "boolean": bool, "object": dict, "nested": dict,
        }
        self.assertGreater(len(self.fields), 150)
        for field, part in self.fields.items():
            value = lines.example(part)
            for one in value if isinstance(value, list) else [value]:
                self.assertIsInstance(one, fits[self.mapped(field)["type"]], field)

    def test_every_field_stands_in_the_table_once_and_no_other(self):
        self.assertEqual(set(self.fields), set(self.facts))

    def test_what_differs_from_the_ecs_says_why(self):
        for field, fact in self.facts.items():
            with self.subTest(field):
                mapped, status = self.mapped(field)["type"], fact["status"]
                self.assertIn(status, {"ecs", "deviation", "otel", "own"})
                if status == "ecs":
                    self.assertEqual(mapped, fact["type"])
                elif status == "deviation":
                    same = mapped == fact["type"] or any({mapped, fact["type"]} <= family for family in SAME_FAMILY)
                    self.assertTrue(same, "not even of the same family")
                if status == "deviation" or status == "otel" or status == "own" and field.split(".")[0] in ECS_SETS:
                    self.assertTrue(fact["reason"], "no reason")


if __name__ == "__main__":
    unittest.main()
