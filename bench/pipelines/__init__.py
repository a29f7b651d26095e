"""When: a model that is cut into stages, and the microbatches that flow through them."""

from bench.pipelines.simulator import PipelineSimulator

__all__ = ["PipelineSimulator"]
