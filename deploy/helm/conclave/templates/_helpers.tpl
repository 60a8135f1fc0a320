{{- define "conclave.name" -}}
{{- $full := contains "conclave" .Release.Name | ternary .Release.Name (printf "%s-conclave" .Release.Name) -}}
{{- /* A certificate's name, the pod's, has at most 63 characters. */ -}}
{{- $full | trunc 38 | trimSuffix "-" -}}
{{- end -}}

{{- define "conclave.labels" -}}
app.kubernetes.io/name: conclave
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* What a selector may name: it can never change. */}}
{{- define "conclave.selector" -}}
app.kubernetes.io/name: conclave
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{- define "conclave.image" -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end -}}

{{- define "conclave.secret" -}}
{{ .Values.auth.existingSecret | default (printf "%s-auth" (include "conclave.name" .)) }}
{{- end -}}

{{- define "conclave.coordinators" -}}
{{- $name := include "conclave.name" . -}}
{{- range $at, $_ := until (int .Values.coordinator.replicas) -}}
{{- if $at }},{{ end }}{{ printf "%s-coordinator-%d.%s-coordinator.%s.svc:7001" $name $at $name $.Release.Namespace }}
{{- end -}}
{{- end -}}

{{- define "conclave.peers" -}}
{{- $name := include "conclave.name" . -}}
{{- range $at, $_ := until (int .Values.coordinator.replicas) -}}
{{- if $at }},{{ end }}{{ printf "%d=%s-coordinator-%d.%s-coordinator.%s.svc:7001" $at $name $at $name $.Release.Namespace }}
{{- end -}}
{{- end -}}

{{/* Each pod's part that does not depend on its role: .root and .role. */}}
{{- define "conclave.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "conclave.container" -}}
image: {{ include "conclave.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* Startup, life and readiness at the monitoring port: .startup seconds. */}}
{{- define "conclave.probes" -}}
startupProbe:
  httpGet: {path: /health, port: monitor}
  periodSeconds: 2
  failureThreshold: {{ div (add (int .startup) 1) 2 }}
livenessProbe:
  httpGet: {path: /health, port: monitor}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /ready, port: monitor}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end -}}

{{/* Environment of every role. */}}
{{- define "conclave.env" -}}
- {name: CONCLAVE_MONITOR_LISTEN, value: "0.0.0.0:9100"}
- {name: CONCLAVE_LOG_FORMAT, value: {{ .Values.monitoring.logFormat | quote }}}
{{- with .Values.monitoring.otlpEndpoint }}
- {name: CONCLAVE_OTLP_ENDPOINT, value: {{ . | quote }}}
- {name: CONCLAVE_OTLP_SAMPLE, value: {{ $.Values.monitoring.otlpSample | quote }}}
{{- end }}
- name: CONCLAVE_CLUSTER_TOKEN
  valueFrom: {secretKeyRef: {name: {{ include "conclave.secret" . }}, key: {{ .Values.auth.clusterTokenKey }}}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- end -}}

{{/* Where a role's certificate comes from: `issuer`, `secrets` or `authority`. */}}
{{- define "conclave.tls" -}}
{{- $secrets := .Values.tls.existingSecrets -}}
{{- $named := compact (list $secrets.coordinator $secrets.expertNode $secrets.gateway) -}}
{{- if .Values.tls.issuer.name -}}
{{- if $named }}{{ fail "set tls.issuer.name or tls.existingSecrets, not both" }}{{ end -}}
issuer
{{- else if $named -}}
{{- if ne (len $named) 3 }}{{ fail "tls.existingSecrets needs all of coordinator, expertNode and gateway" }}{{ end -}}
secrets
{{- else -}}
authority
{{- end -}}
{{- end -}}

{{/* The headless service by which others call pods of .role. */}}
{{- define "conclave.domain" -}}
{{- $suffix := dict "coordinator" "coordinator" "expert-node" "expert" "gateway" "gateway-peers" -}}
{{ include "conclave.name" .root }}-{{ get $suffix .role }}.{{ .root.Release.Namespace }}.svc
{{- end -}}

{{- define "conclave.tlsEnv" -}}
- {name: CONCLAVE_TLS_DIR, value: {{ eq (include "conclave.tls" .root) "authority" | ternary (printf "/tls/%s-$(POD_NAME)" .role) "/tls" | quote }}}
{{- end -}}

{{/* What runs before a role: its certificate is made, by a container that sees the authority's key and ends; the model is
waited for, if a job downloads it; and it is compared with its manifest. */}}
{{- define "conclave.init" -}}
{{- $own := eq (include "conclave.tls" .root) "authority" -}}
{{- $verify := .model | ternary (include "conclave.verify" .root | trim) "" -}}
{{- $wait := .model | ternary (include "conclave.wait" .root | trim) "" -}}
{{- if or $own $wait $verify }}
initContainers:
  {{- if $own }}
  - name: certificate
    {{- include "conclave.container" .root | nindent 4 }}
    args:
      - ca
      - ensure
      - --dir=/authority
      - --out=/tls
      - --days={{ .root.Values.tls.days }}
      - {{ .role }}/$(POD_NAME)=$(POD_NAME).{{ include "conclave.domain" . }}
    env:
      - name: POD_NAME
        valueFrom: {fieldRef: {fieldPath: metadata.name}}
    resources:
      requests: {cpu: 10m, memory: 32Mi}
    volumeMounts:
      - {name: authority, mountPath: /authority, readOnly: true}
      - {name: tls, mountPath: /tls}
  {{- end }}
  {{- range compact (list $wait $verify) }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Whether a volume with models is mounted. */}}
{{- define "conclave.models" -}}
{{- if or .Values.model.existingClaim .Values.model.cache.enabled }}yes{{ end }}
{{- end -}}

{{- define "conclave.claim" -}}
{{ .Values.model.existingClaim | default (printf "%s-models" (include "conclave.name" .)) }}
{{- end -}}

{{- define "conclave.modelEnv" -}}
{{- with .Values.model.path }}
- {name: CONCLAVE_MODEL, value: {{ . | quote }}}
{{- end }}
{{- if .Values.model.manifestConfigMap }}
- {name: CONCLAVE_MANIFEST, value: /etc/conclave/manifest/manifest.json}
{{- end }}
- {name: CONCLAVE_DTYPE, value: {{ .Values.model.dtype | quote }}}
- {name: CONCLAVE_EXPERTS_DTYPE, value: {{ .Values.model.expertsDtype | quote }}}
- {name: CONCLAVE_TRUNK_DTYPE, value: {{ .Values.model.trunkDtype | quote }}}
- {name: CONCLAVE_WEIGHTS_IN, value: {{ .Values.model.weightsIn | quote }}}
{{- end -}}

{{- define "conclave.mounts" -}}
{{- if .role }}
- {name: tls, mountPath: /tls, readOnly: true
  {{- if and (eq .role "expert-node") (eq (include "conclave.tls" .root) "secrets") }}, subPathExpr: $(POD_NAME){{ end }}}
{{- end }}
{{- if .model }}
{{- if include "conclave.models" .root }}
- {name: models, mountPath: /models, readOnly: true}
{{- end }}
{{- if .root.Values.model.manifestConfigMap }}
- {name: manifest, mountPath: /etc/conclave/manifest, readOnly: true}
{{- end }}
{{- end }}
{{- end -}}

{{- define "conclave.volumes" -}}
{{- $tls := .root.Values.tls }}
{{- $from := include "conclave.tls" .root }}
{{- if eq $from "authority" }}
- {name: authority, secret: {secretName: {{ $tls.authoritySecret | default (printf "%s-authority" (include "conclave.name" .root)) }}, defaultMode: 0440, items: [{key: ca.key, path: ca.key}]}}
- {name: tls, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
{{- else if eq $from "issuer" }}
- name: tls
  csi:
    driver: csi.cert-manager.io
    readOnly: true
    volumeAttributes:
      csi.cert-manager.io/issuer-name: {{ $tls.issuer.name | quote }}
      csi.cert-manager.io/issuer-kind: {{ $tls.issuer.kind | quote }}
      csi.cert-manager.io/issuer-group: {{ $tls.issuer.group | quote }}
      csi.cert-manager.io/uri-sans: spiffe://conclave/{{ .role }}/${POD_NAME}
      csi.cert-manager.io/dns-names: ${POD_NAME}.{{ include "conclave.domain" . }}
      csi.cert-manager.io/key-usages: digital signature,server auth,client auth
      csi.cert-manager.io/key-algorithm: ECDSA
      csi.cert-manager.io/key-encoding: PKCS8
      csi.cert-manager.io/duration: {{ printf "%dh" (mul 24 (int $tls.days)) }}
      csi.cert-manager.io/fs-group: "65532"
{{- else if eq .role "expert-node" }}
# All nodes' certificates are in the volume; a node's container sees the folder of its own name.
- name: tls
  projected:
    defaultMode: 0440
    sources:
      {{- $pods := .pods }}
      {{- range $at, $_ := until (int .root.Values.expertNode.replicas) }}
      {{- $pod := printf "%s-%d" $pods $at }}
      - secret:
          name: {{ $tls.existingSecrets.expertNode }}-{{ $pod }}
          items: [{key: tls.crt, path: {{ $pod }}/tls.crt}, {key: tls.key, path: {{ $pod }}/tls.key}, {key: ca.crt, path: {{ $pod }}/ca.crt}]
      {{- end }}
{{- else }}
- {name: tls, secret: {secretName: {{ get $tls.existingSecrets .role }}, defaultMode: 0440}}
{{- end }}
{{- if .model }}
{{- if include "conclave.models" .root }}
- {name: models, persistentVolumeClaim: {claimName: {{ include "conclave.claim" .root }}, readOnly: true}}
{{- end }}
{{- if .root.Values.model.manifestConfigMap }}
- {name: manifest, configMap: {name: {{ .root.Values.model.manifestConfigMap }}}}
{{- end }}
{{- end }}
{{- end -}}

{{/* Before a role starts, what the job downloads is all there. */}}
{{- define "conclave.wait" -}}
{{- if .Values.model.download.source }}
- name: model
  {{- include "conclave.container" . | nindent 2 }}
  args: [model, wait, {{ .Values.model.path | quote }}]
  {{- if .Values.model.manifestConfigMap }}
  env:
    - {name: CONCLAVE_MANIFEST, value: /etc/conclave/manifest/manifest.json}
  {{- end }}
  resources:
    requests: {cpu: 10m, memory: 32Mi}
  volumeMounts:
    {{- include "conclave.mounts" (dict "root" . "model" true) | trim | nindent 4 }}
{{- end }}
{{- end -}}

{{/* Before a role starts, the whole model is compared with the manifest that its owner pinned. */}}
{{- define "conclave.verify" -}}
{{- if and .Values.model.manifestConfigMap .Values.model.verify }}
- name: verify
  {{- include "conclave.container" . | nindent 2 }}
  args: [manifest, --check]
  env:
    {{- include "conclave.modelEnv" . | trim | nindent 4 }}
  resources:
    requests: {cpu: 100m, memory: 128Mi}
  volumeMounts:
    {{- include "conclave.mounts" (dict "root" . "model" true) | trim | nindent 4 }}
{{- end }}
{{- end -}}

{{/* Where pods of one role may be: .root .role .spread. */}}
{{- define "conclave.spread" -}}
{{- $labels := include "conclave.selector" . -}}
affinity:
  podAntiAffinity:
    {{- if eq .spread "required" }}
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {{- $labels | nindent 12 }}
    {{- else }}
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels: {{- $labels | nindent 14 }}
    {{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- $labels | nindent 8 }}
{{- end -}}

{{/* Expert nodes to wait for before the first placement: all of them, unless told otherwise. */}}
{{- define "conclave.nodesMin" -}}
{{- $all := mul (int .Values.expertNode.replicas) (max 1 (len .Values.expertNode.zones)) -}}
{{ .Values.coordinator.nodesMin | int | default $all }}
{{- end -}}

{{/* Parts of network policies. */}}
{{- define "conclave.from" -}}
{{- range .roles }}
- podSelector:
    matchLabels: {{- include "conclave.selector" (dict "root" $.root "role" .) | nindent 6 }}
{{- end }}
{{- end }}

{{- define "conclave.monitorIngress" -}}
- ports: [{port: monitor, protocol: TCP}]
  {{- with .Values.networkPolicy.monitoring }}
  from: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "conclave.egress" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- with .root.Values.networkPolicy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end }}
