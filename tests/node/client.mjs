// The Node SDK as a program: a line of standard input is a JSON list of calls, which are made at the same time;
// a line of standard output is the list of their answers.
//
// A call is {action, fields}, an answer {status, body}, both with the API's own names; the body of a refusal has Code,
// Message and RequestId, and its status is 0 where there was no answer. KMS_ENDPOINT says where the KMS is, ALIBABA_CLOUD_ACCESS_KEY_ID and
// ALIBABA_CLOUD_ACCESS_KEY_SECRET say who calls.

import { createInterface } from "node:readline";
import * as tea from "@alicloud/tea-typescript";
import rpc from "@alicloud/rpc-client";
import kms from "@alicloud/kms20160120";

const client = new kms.default(
  new rpc.Config({
    accessKeyId: process.env.ALIBABA_CLOUD_ACCESS_KEY_ID,
    accessKeySecret: process.env.ALIBABA_CLOUD_ACCESS_KEY_SECRET,
    endpoint: process.env.KMS_ENDPOINT,
    protocol: process.env.KMS_PROTOCOL ?? "http",
    regionId: "local",
  }),
);

// The SDK's own names begin with a small letter: KeyId is keyId, and CreateKey createKey.
const named = (name) => name[0].toLowerCase() + name.slice(1);

// A model passes on only what it knows: what is younger than this SDK goes through the method below its models.
async function call(action, fields) {
  const Model = kms[`${action}Request`];
  const known = Model === undefined ? [] : Object.values(Model.names());
  if (Model === undefined || Object.keys(fields).some((name) => !known.includes(name))) {
    return client.doRequest(action, "HTTPS", "POST", "2016-01-20", "AK", fields, null, {});
  }
  const given = Object.entries(fields).map(([name, value]) => [named(name), value]);
  return tea.toMap(await client[named(action)](new Model(Object.fromEntries(given))));
}

async function answer({ action, fields }) {
  try {
    return { status: 200, body: await call(action, fields) };
  } catch (error) {
    // Of a refusal the SDK appends "Error" to the code, and tells the status only in its message.
    const { Code, Message, RequestId } = error.data ?? {};
    const status = /^\S+: code: (\d{3}), /.exec(error.message);
    if (status === null || error.code !== `${Code}Error`) {
      return { status: 0, body: { Code: error.code ?? error.name, Message: error.message } };
    }
    return { status: Number(status[1]), body: { Code, Message, RequestId } };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await Promise.all(JSON.parse(line).map(answer))));
}
