"""Three-dimensional full wave around the antenna: a Yee scheme at one frequency in the patient's own tissue."""
