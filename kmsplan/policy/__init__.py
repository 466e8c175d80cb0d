"""Rules about how keys are kept, as data, over desired, planned and observed; pure: values in, values out."""
