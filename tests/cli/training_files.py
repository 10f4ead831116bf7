"""Small tasks that train within seconds."""

COPY = """
network Tiny {
  task: Copy(length=4, vocabulary=8, train_size=4000, validation_size=100, test_size=200)
  layers:
    Embedding(output_dim=32)
    PositionalEncoding(encoding_type="learned")
    TransformerDecoder(num_heads=2, ff_dim=64, norm="pre", dropout=0.1)
    LayerNormalization()
    Output(activation="softmax")
  train { steps: 160 batch_size: 64 validate_every: 40 }
}
"""
"""Reaches 100% within 100 steps on both backends."""
