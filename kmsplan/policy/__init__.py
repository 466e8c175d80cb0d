"""Rules about how keys are kept, judged over what is declared, planned and observed; pure: values in, values out.

1. There are two views of the same rules: what will be once the plan is done (`planned`), and what the KMS
   holds now, whoever manages it (`present`).
2. What a rule needs and nobody knows of an object makes it skip that object, and the report counts it. What a rule
   cannot work out although everything is known breaks it: it fails closed.
3. Only a waiver in the configuration, which names somebody and ends, lets a broken rule pass. No flag does.
4. A report says what was found; it claims no compliance.

The language of rules is `kmsplan.rule`; who reads them is `kmsplan.config`.
"""
