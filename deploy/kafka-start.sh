#!/usr/bin/env bash
# Starts the one broker of docker-compose.yml. On data of an earlier life its controller runs alone
# first.
#
# Why: the metadata still say that the broker lives and leads its partitions. Started
# on that, Kafka 4.3.0 goes on writing the markers of transactions that were being committed, is then
# fenced for a moment when its old session ends, and takes the leaderless partitions for deleted
# ones. The markers are never written, and read_committed readers wait for them for ever: seen after
# about every second kill right behind a commit. So the controller learns first that it is gone.
set -euo pipefail

data=$KAFKA_LOG_DIRS
controller_port=${KAFKA_CONTROLLER_QUORUM_VOTERS##*:}
PROGRESS_WANTED=15  # 0.2 s each at least: ten times the controller's session timeout below
PATIENCE=600        # 0.2 s each

metadata_sizes() {
  stat -c %s "$data"/__cluster_metadata-0/*.log
}

# Whether the controller fenced the broker stands in no file that a script can read. But its metadata
# grow every 0.1 s by the thread that also looks for silent brokers: after enough growth it has.
fence_broker() {
  cat >/tmp/controller.properties <<PROPERTIES
process.roles=controller
node.id=$KAFKA_NODE_ID
listeners=CONTROLLER://:$controller_port
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT
controller.quorum.voters=$KAFKA_CONTROLLER_QUORUM_VOTERS
log.dirs=$data
broker.heartbeat.interval.ms=100
broker.session.timeout.ms=300
metadata.max.idle.interval.ms=100
PROPERTIES
  java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -cp '/opt/kafka/libs/*' kafka.Kafka /tmp/controller.properties &
  local controller=$! before now progress=0 looks=0
  before=$(metadata_sizes)
  while [ $progress -lt $PROGRESS_WANTED ]; do
    looks=$((looks + 1))
    if [ $looks -gt $PATIENCE ] || ! kill -0 $controller 2>/dev/null; then
      echo "the controller alone does not come up; see its lines above" >&2
      exit 1
    fi
    sleep 0.2
    now=$(metadata_sizes)
    [ "$now" = "$before" ] || progress=$((progress + 1))
    before=$now
  done
  kill $controller
  wait $controller || true  # 143, ended by SIGTERM
}

# /etc/kafka/docker/run of the official image knows formatted storage. An image that has Kafka's own
# docker wrapper but not the official launch script may not: there the broker starts directly.
start_broker() {
  if [ -e /etc/kafka/docker/launch ] || [ ! -e "$data/meta.properties" ]; then
    exec /etc/kafka/docker/run
  fi
  mkdir -p /opt/kafka/config /mnt/shared/config
  java -cp '/opt/kafka/libs/*' kafka.docker.KafkaDockerWrapper setup \
    --default-configs-dir /etc/kafka/docker --mounted-configs-dir /mnt/shared/config \
    --final-configs-dir /opt/kafka/config >/tmp/setup.log 2>&1 \
    || grep -q 'already formatted' /tmp/setup.log || { cat /tmp/setup.log >&2; exit 1; }
  exec java ${KAFKA_HEAP_OPTS:--Xmx768m} -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -cp '/opt/kafka/libs/*' kafka.Kafka /opt/kafka/config/server.properties
}

if [ -e "$data/__cluster_metadata-0" ]; then
  echo "a broker ran on these data before: its controller runs alone first"
  fence_broker
fi
start_broker
