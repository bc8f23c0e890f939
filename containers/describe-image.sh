#!/bin/sh
# Prints what the image says of itself. Arguments: the folder of the programs, and where tensorflow_model_server would be.
set -eu
echo "Sluice: the stages of a machine-learning pipeline. https://kubeflow.org runs them, or any engine for containers."
echo
echo "  python -m components.<stage> --help"
for folder in "$1"/components/[a-z]*/; do
    echo "    $(basename "$folder")"
done
echo "  python -m serving --help"
echo
if [ -x "$2" ]; then
    version=$("$2" --version)
    echo "tensorflow_model_server: $(echo "$version" | head -n 1)"
else
    echo "tensorflow_model_server: absent. validate_serving asks the model server of Sluice instead."
fi
