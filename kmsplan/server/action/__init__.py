"""The actions of the API: for each one its parameters, the engine's method, and the shape of the answer."""
