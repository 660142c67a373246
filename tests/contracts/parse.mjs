// The official parser of AsyncAPI reads a document; exits with 1 at an error or a warning.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { Parser } = createRequire(`${process.argv[2]}/`)("@asyncapi/parser");
const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[3], "utf8"));
for (const found of diagnostics) console.error(found.path.join("."), found.message);
console.log(`${document?.channels().length ?? 0} channels, ${document?.operations().length ?? 0} operations`);
process.exit(document && diagnostics.every((found) => found.severity > 1) ? 0 : 1);
