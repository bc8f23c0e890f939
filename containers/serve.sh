#!/bin/sh
# Serves one model, found as the image tensorflow/serving finds it; arguments are flags of tensorflow_model_server.
set -eu
case " $* " in
*" --model_config_file"*) ;;
*) set -- "--model_name=$MODEL_NAME" "--model_base_path=$MODEL_BASE_PATH/$MODEL_NAME" "$@" ;;
esac
exec python -m serving --host=0.0.0.0 --port=8500 --rest_api_port=8501 "$@"
