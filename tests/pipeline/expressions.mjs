// Evaluates GitHub's expressions with GitHub's own library: a request a line, an answer a line.
import { createInterface } from "node:readline";
import { Evaluator, Lexer, Parser, data } from "@actions/expressions";

const functions = (status) =>
  ["success", "failure", "cancelled", "always"].map((name) => ({
    name,
    minArgs: 0,
    maxArgs: 0,
    call: () => new data.BooleanData(status[name] ?? true),
  }));

for await (const line of createInterface({ input: process.stdin })) {
  const { expression, contexts, status } = JSON.parse(line);
  const known = functions(status);
  const tokens = new Lexer(expression).lex().tokens;
  const tree = new Parser(tokens, Object.keys(contexts), known).parse();
  const values = JSON.parse(JSON.stringify(contexts), data.reviver);
  const value = new Evaluator(tree, values, new Map(known.map((one) => [one.name, one]))).evaluate();
  console.log(JSON.stringify(value, data.replacer));
}
