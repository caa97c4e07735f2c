// Signs the deliveries on standard input with signers that are independent of
// the Go library, and prints them with their signatures. To renew the file, in
// a directory with the packages installed:
//
//   npm install svix@1.99.1 svix2@npm:svix@2.5.0 standardwebhooks@1.1.1
//   node sign.mjs < deliveries.json > new.json
//
// The bodies are text: the packages turn bytes into UTF-8 before they sign.
import { createPrivateKey, sign as signEd25519 } from "node:crypto";
import { readFileSync } from "node:fs";
import * as svix from "svix";
import * as svix2 from "svix2";
import * as standardwebhooks from "standardwebhooks";

// pkcs8 is what stands before the seed of an Ed25519 private key (RFC 8410).
const pkcs8 = Buffer.from("302e020100300506032b657004220420", "hex");

const library = (lib) => (key, d) =>
  new lib.Webhook(key).sign(d.id, new Date(d.timestamp * 1000), d.body);

const signers = {
  "svix@1.99.1": library(svix),
  "svix@2.5.0": library(svix2),
  "standardwebhooks@1.1.1": library(standardwebhooks),
  "node:crypto": (seed, d) => {
    const key = createPrivateKey({
      key: Buffer.concat([pkcs8, Buffer.from(seed)]),
      format: "der",
      type: "pkcs8",
    });
    const content = Buffer.from(`${d.id}.${d.timestamp}.${d.body}`);
    return "v1a," + signEd25519(null, content, key).toString("base64");
  },
  literal: (text) => text,
};

const deliveries = JSON.parse(readFileSync(0, "utf8"));
for (const d of deliveries) {
  d.signature = d.signed_by.map(([signer, key]) => signers[signer](key, d)).join(" ");
}
console.log(JSON.stringify(deliveries, null, 1));
