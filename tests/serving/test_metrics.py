from serving.metrics import Metrics


def test_the_page_has_tf_servings_names_and_labels():
    metrics = Metrics()
    metrics.count_request("half", "OK")
    metrics.count_request("half", "OK")
    metrics.count_request("half", "NOT_FOUND")
    metrics.request_took("half", "Predict", "GRPC", 20e-6)
    metrics.request_took("half", "predict", "REST", 1e6)
    metrics.runtime_took("half", 5e-6)
    lines = metrics.page().splitlines()
    assert "# TYPE :tensorflow:serving:request_count counter" in lines
    assert ':tensorflow:serving:request_count{model_name="half",status="OK"} 2' in lines
    assert ':tensorflow:serving:request_count{model_name="half",status="NOT_FOUND"} 1' in lines
    assert "# TYPE :tensorflow:serving:request_latency histogram" in lines
    grpc = ':tensorflow:serving:request_latency_bucket{model_name="half",API="Predict",entrypoint="GRPC",le='
    assert [line for line in lines if line.startswith(grpc)][:3] == [f'{grpc}"10"}} 0', f'{grpc}"18"}} 0', f'{grpc}"32.4"}} 1']
    assert f'{grpc}"+Inf"}} 1' in lines
    assert ':tensorflow:serving:request_latency_sum{model_name="half",API="Predict",entrypoint="GRPC"} 20.0' in lines
    assert ':tensorflow:serving:request_latency_count{model_name="half",API="predict",entrypoint="REST"} 1' in lines
    assert ':tensorflow:serving:runtime_latency_count{model_name="half",API="Predict",runtime="TF1"} 1' in lines


def test_attempts_to_load_are_counted_under_tensorflows_name():
    metrics = Metrics()
    metrics.load_attempted("/models/half/1", succeeded=True)
    for _ in range(2):
        metrics.load_attempted("/models/half/2", succeeded=False)
    lines = metrics.page().splitlines()
    assert ':tensorflow:cc:saved_model:load_attempt_count{model_path="/models/half/1",status="success"} 1' in lines
    assert ':tensorflow:cc:saved_model:load_attempt_count{model_path="/models/half/2",status="fail"} 2' in lines


def test_what_is_slower_than_the_last_bound_is_in_the_last_bucket():
    metrics = Metrics()
    metrics.runtime_took("half", 1e9)
    buckets = [line for line in metrics.page().splitlines() if "runtime_latency_bucket" in line]
    assert len(buckets) == 34
    assert [line[-1] for line in buckets] == ["0"] * 33 + ["1"]


def test_names_of_models_are_escaped():
    metrics = Metrics()
    metrics.count_request('a"} 1\n# \\', "NOT_FOUND")
    assert r'{model_name="a\"} 1\n# \\",status="NOT_FOUND"} 1' in metrics.page()
